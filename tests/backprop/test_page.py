"""docs/backpropagation.md: its code runs, its names exist, its pictures are there."""

import doctest
import re
from pathlib import Path

import experiments.backprop as package

PAGE = Path(__file__).parents[2] / "docs" / "backpropagation.md"


def test_the_code_on_the_page_runs():
    """Every prompt on the page prints what the page says."""
    failed, tried = doctest.testfile(
        str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert tried > 0
    assert failed == 0


def test_every_function_named_on_the_page_exists():
    """A name in backticks that looks like one of the package's is exported by it."""
    text = PAGE.read_text(encoding="utf-8")
    called = set(re.findall(r"`([a-z_]+)\(", text)) | set(re.findall(r"`([A-Z][A-Za-z]+)`", text))
    called |= set(re.findall(r"\(\[?`([a-z_]+)`", text))
    assert len(called) > 12
    assert called <= set(package.__all__) | {"ValueError"}


def test_links_lead_to_where_a_function_is_written():
    """The file behind a name defines it."""
    text = PAGE.read_text(encoding="utf-8")
    links = re.findall(r"\[`([A-Za-z_]+)[^\]]*\]\(([^)]*backprop/[^)]*)\)", text)
    assert len(links) > 15
    for name, target in links:
        written = (PAGE.parent / target).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {name}\b", written, re.MULTILINE), name


def test_every_public_function_is_on_the_page():
    """The other way round: whoever adds a function explains it, except plain result types."""
    text = PAGE.read_text(encoding="utf-8")
    functions = {name for name in package.__all__ if name.islower()}
    unexplained = {name for name in functions if name not in text}
    assert unexplained <= {"forward_derivative", "forward_jacobian", "reverse_jacobian"} | {
        "tutorial_network",
        "walkthrough",
    }


def test_every_link_leads_to_a_file():
    """On every page: a^[L] followed by (x) would be a link to a file called x."""
    for page in PAGE.parent.glob("*.md"):
        prose = re.sub(r"^( {4}|```.*?^```).*?$", "", page.read_text("utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#\s]+)", prose):
            assert target.startswith("https:") or (page.parent / target).exists(), (page, target)


def test_every_picture_is_there():
    """Figures are files beside the page, written by scripts/draw_backpropagation.py."""
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(pictures) >= 5
    assert all((PAGE.parent / picture).is_file() for picture in pictures)
