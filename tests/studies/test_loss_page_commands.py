"""The page on squared error and cross-entropy: its commands can be typed, its pictures are there."""

import re
import shlex
from pathlib import Path

import pytest
from tests.app.composing import composed_whole

PAGE = Path(__file__).parents[2] / "docs" / "mse-vs-cross-entropy.md"
TEXT = PAGE.read_text().replace("\\\n", " ")
COMMANDS = re.findall(r"^python scripts/train\.py (.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_is_accepted(command: str) -> None:
    """Option files and keys exist; of a list of values the first is taken."""
    words = [word for word in shlex.split(command) if word != "-m"]
    first = [re.sub(r"=range\(.*", "=0", word).split(",")[0] for word in words]
    composed_whole(*first)


def test_every_study_of_the_page_is_run_by_a_command() -> None:
    """A study that is named in the text has its command."""
    named = set(re.findall(r"study=(\w+)", TEXT))
    assert len(named) >= 9
    assert all(any(f"study={name}" in command for command in COMMANDS) for name in named)


def test_every_picture_of_the_page_exists() -> None:
    """Drawn on a ground of its own, so that it can be read on any page."""
    pictures = re.findall(r"!\[[^]]+\]\((.+?)\)", TEXT)
    assert len(pictures) >= 5
    for name in pictures:
        svg = (PAGE.parent / name).read_text()
        assert svg.count("<svg") == 1
        assert re.search(r"background: (white|#ffffff)", svg)
