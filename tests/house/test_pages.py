"""README.md, CONTRIBUTING.md and docs/: commands can be typed, links lead somewhere, code runs."""

import ast
import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from tests.app.composing import composed
from tests.house.plan import ROOT

from experiments.app import report

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = sorted(
    {
        command.partition("#")[0].strip()
        for page in (ROOT / "README.md", ROOT / "docs" / "backpropagation.md")
        for command in re.findall(
            r"^python scripts/train\.py (.*)$",
            page.read_text(encoding="utf-8").replace("\\\n", " "),
            re.MULTILINE,
        )
    }
)


def _anchors(page: Path) -> set[str]:
    """The fragments under which a page of Markdown shows its headings."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_accepted(command: str) -> None:
    """Option files and keys exist; of several values the first is taken."""
    words = re.split(r"\s{2,}", command)[0]
    overrides = [word for word in shlex.split(words) if word not in ("-m", "--help")]
    first = [re.sub(r"=range\(.*", "=0", word) for word in overrides]
    composed(*(word if "[" in word else word.split(",")[0] for word in first))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_link_leads_to_a_heading_that_is_there(page: Path) -> None:
    """The file exists, and so does the section that the link names."""
    prose = re.sub(
        r"^( {4}|```.*?^```).*?$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    for target, _, anchor in (
        link.partition("#")
        for link in re.findall(r"\]\(([^)\s]+)\)", prose)
        if not link.startswith("https:")
    ):
        other = page.parent / target if target else page
        assert other.exists(), target
        assert not anchor or anchor in _anchors(other), f"{target}#{anchor}"


@pytest.mark.slow
def test_the_python_of_the_readme_gives_what_its_comments_say() -> None:
    """Every value on a line with a number in its comment, to the digits that are written."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    compared = 0
    for node in ast.parse(code).body:
        line = code.splitlines()[node.end_lineno - 1]  # type: ignore[operator]
        source = ast.unparse(node)
        said = re.search(r"#[^\d-]*(-?[\d.]+(?:e-?\d+)?)", line)
        if isinstance(node, ast.Expr) and said:
            compared += 1
            found = eval(source, names)  # the page's own line
            mean = float(getattr(found, "mean", lambda found=found: found)())
            assert mean == pytest.approx(float(said[1]), rel=2e-3)
        else:
            exec(source, names)  # likewise
    assert compared >= 5


@pytest.mark.parametrize(
    ("results", "part", "more"),
    [("results_cpu.json", 0, ["stacked, without Numba"]), ("results_cpu_avx512.json", 1, [])],
)
def test_the_steps_of_the_performance_page_are_those_of_the_benchmark(results, part, more) -> None:
    """Microseconds and ratios of 64 networks, against the committed results of two processors."""
    text = (ROOT / "docs" / "benchmark" / results).read_text(encoding="utf-8")
    found = {(r["work"], r["contender"]): r["microseconds"] for r in json.loads(text)["rows"]}
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    newer_and_older = page.split("### A processor with AVX-512")
    rows = re.findall(r"^\| (\d+), (\d+) \| (.*) \|$", newer_and_older[part], re.MULTILINE)
    assert len(rows) == 4
    peers = ["plain torch loop", "torch.func.vmap", "JAX jit(vmap)"]
    for depth, width, cells in rows:
        work = f"64 networks, depth {depth}, width {width} (per network and step)"
        names = [*peers, *more, "stacked", "batched products alone"]
        times = [f"{found[work, name]:,.0f}" for name in names]
        ours, jax = found[work, "stacked"], found[work, "JAX jit(vmap)"]
        ratios = [f"{ours / other:.2f}" for other in (jax, found[work, "batched products alone"])]
        assert cells.split(" | ") == [*times, *ratios]


def test_the_loop_of_your_model_runs_and_can_be_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's first block as it is written; the other needs a module of one's own."""
    page = (ROOT / "docs" / "your-model.md").read_text(encoding="utf-8")
    code, _ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code, {})  # the page's own lines
    assert report.main(["runs/mine"]) == 0
    results = pd.read_parquet("runs/mine/results.parquet")
    assert sorted(results["seed"]) == [0, 1, 2]
    assert (results["status"] == "finished").all()
