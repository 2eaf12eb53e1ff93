"""The report: one file, offline, verdict first, everything accounted for."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar, final

import pandas as pd
import pytest
from pandas import DataFrame
from tests.reporting.fabricated import write_cell

from experiments.core.errors import ConfigurationError
from experiments.core.interval import Interval
from experiments.core.study import Figure, Findings, Study, Table, Verdict
from experiments.reporting.account import account, cell_table
from experiments.reporting.collect import collect
from experiments.reporting.provenance import read_provenance
from experiments.reporting.report import write_report
from experiments.reporting.summary import bounds
from experiments.reporting.tables import ROWS, number, table_html


@final
class _Asked(Study):
    question: ClassVar[str] = "Is <this> answered & shown?"
    claim: ClassVar[str] = "Depth costs."
    refuted_by: ClassVar[str] = "Depth does not cost."

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        """Numbers of the very tables it is given."""
        mean = results["val/accuracy"].mean()
        return Findings(
            (Verdict(f"Mean accuracy {mean:.4f} [0.1, 0.9].", "confirmed"),),
            (Table("Ranks", "Caption of ranks.", DataFrame({"a<b": [1.5, float("inf")]})),),
            (Figure("Picture", "Caption of picture.", '<svg id="drawn"></svg>'),),
        )


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def _written(folder: Path) -> _Page:
    collect(folder)
    return _Page(write_report(folder, _Asked()).read_text(encoding="utf-8"))


def test_the_page_stands_alone(sweep: Path) -> None:
    """Nothing is fetched: no link, no image, no script from elsewhere; every tag is closed."""
    page = _written(sweep)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe")
        assert not {"src", "href"} & set(attributes)
    html = (sweep / "report.html").read_text()
    assert "@import" not in html
    assert not re.search(r"url\(|https?://(?!www\.w3\.org)", html)


def test_question_then_verdict_then_what_it_rests_on(sweep: Path) -> None:
    """The order of the page, its numbers from the tables beside it, and all text escaped."""
    page = _written(sweep)
    mean = pd.read_parquet(sweep / "results.parquet")["val/accuracy"].mean()
    order = [
        "Is <this> answered & shown?", f"Mean accuracy {mean:.4f}", "Depth costs.",
        "Depth does not cost.", "Caption of picture.", "Caption of ranks.", "All cells",
    ]  # fmt: skip
    places = [page.text.index(part) for part in order]
    assert places == sorted(places)
    assert ("svg", {"id": "drawn"}) in page.tags
    assert "a<b" in page.text


def test_the_same_cells_give_the_same_page(sweep: Path) -> None:
    """A report can be compared byte by byte."""
    collect(sweep)
    first = write_report(sweep, _Asked()).read_bytes()
    collect(sweep)
    assert write_report(sweep, _Asked()).read_bytes() == first


def test_every_end_is_accounted_for(sweep: Path) -> None:
    """Counts and reasons of finished, diverged, failed and unreadable cells, none hidden."""
    axes = {"activation": "relu", "initializer": "he", "model.depth": 40, "seed": 0}
    write_cell(sweep, "wild", axes, status="diverged")
    write_cell(sweep, "bad", axes | {"seed": 1}, status="failed", error="MemoryError: <too> big")
    torn = write_cell(sweep, "torn", axes | {"seed": 2})
    (torn / "record.json").write_text("{")
    page = _written(sweep)
    found = account(collect(sweep))
    assert found.counts == {"finished": 18, "diverged": 1, "failed": 1, "no row": 1}
    kinds = {kind: (reason, names) for kind, reason, names in found.reasons}
    assert kinds["failed"] == ("MemoryError: <too> big", "bad")
    assert "step 77" in kinds["diverged"][0]
    assert kinds["no row"][1] == "torn"
    for part in ("MemoryError: <too> big", "torn", "wild", "record.json cannot be read"):
        assert part in page.text


def test_how_it_was_made_is_on_the_page(sweep: Path) -> None:
    """Axes, seeds, versions, shared settings, the composed config, and the command."""
    (sweep / "study.json").write_text(
        json.dumps(
            {
                "study": "experiments.studies.Sweep", "name": "made up",
                "command": "python scripts/train.py -m seed=0,1,2", "config": {"seed": 0},
            }
        )
    )  # fmt: skip
    text = _written(sweep).text
    for part in (
        "made up", "python scripts/train.py -m seed=0,1,2", "torch 2.13.0", "subnormals flush",
        "model.depth 2, 5, 10", "seed 0, 1, 2", "optimizer.lr 0.1", '"seed": 0',
    ):  # fmt: skip
        assert part in text, part


def test_versions_that_differ_are_counted(sweep: Path) -> None:
    """A sweep continued under another version says so."""
    axes = {"activation": "relu", "initializer": "he", "model.depth": 40, "seed": 0}
    write_cell(sweep, "later", axes, versions={"experiments": "0.1.0", "torch": "2.15.0"})
    found = account(collect(sweep))
    assert "torch 2.13.0 (18 cells) or 2.15.0 (1 cells)" in found.versions


def test_the_cell_table_shows_what_differs(sweep: Path) -> None:
    """Axes that do not vary and columns that are empty are left out."""
    shown = list(cell_table(collect(sweep).results))
    assert shown[:5] == ["cell", "status", "activation", "model.depth", "seed"]
    assert "optimizer.lr" not in shown
    assert "error" not in shown
    assert "val/accuracy" in shown


def test_an_interval_is_not_broken_over_two_lines() -> None:
    """Its bounds are held together; other text may wrap."""
    html = table_html(DataFrame({"95 %": ["[0.1, 0.2]"], "error": ["no, not [here]"]}))
    assert "[0.1,\N{NO-BREAK SPACE}0.2]" in html
    assert "no, not [here]" in html


def test_a_long_table_says_what_it_cut() -> None:
    """A page of thousands of rows is cut, and says so."""
    html = table_html(DataFrame({"x": range(ROWS + 5)}))
    assert html.count("<tr>") == ROWS + 1
    assert "5 more rows" in html


def test_a_field_sorts_by_its_full_number() -> None:
    """The short number is read, the full one sorts; infinities and holes are written as such."""
    html = table_html(
        DataFrame({"x": [0.123456789, float("-inf"), float("nan")], "t": ["a", None, "<"]})
    )
    assert 'data-v="0.123456789">0.1235<' in html
    assert 'data-v="-inf">−∞<' in html
    assert 'data-v="nan">–<' in html
    assert "&lt;" in html


@pytest.mark.parametrize(
    "interval",
    [
        (1.0683, 1.0655, 1.0703), (1.502, 1.50196, 1.50204), (1.502, 1.4988, 1.5044),
        (73.95, 65.2, 78.7), (-1.502, -1.50204, -1.50196), (1e-30, 0.99999e-30, 1.00001e-30),
        (0.0, -1e-9, 2e-9), (12345.6, 12345.1, 12346.1),
    ],
)  # fmt: skip
def test_written_bounds_hold_the_number_beside_them(interval: tuple[float, float, float]) -> None:
    """Whatever the width: the number as the table shows it lies between two different bounds."""
    value, low, high = interval
    written = re.findall(r"[-\d.e+]+", bounds(Interval(value, low, high, 5)))
    below, above = map(float, written)
    assert below <= float(number(value)) <= above
    assert below < above


def test_bounds_that_rounding_alone_keeps_apart_are_one_number() -> None:
    """A width of a millionth of a millionth is not a width that the seeds show."""
    assert bounds(Interval(0.5, 0.5, 0.5 + 1e-12, 5)) == "[0.5, 0.5]"


def test_equal_widths_of_many_layers_are_counted(sweep: Path) -> None:
    """Forty hidden layers of 64 take one word on the page, and time is called what it is."""
    cell = next(entry for entry in sorted((sweep / "cells").iterdir()) if entry.is_dir())
    record = json.loads((cell / "record.json").read_text())
    record["facts"] = {"widths": [784, *[64] * 40, 10]}
    (cell / "record.json").write_text(json.dumps(record))
    text = _written(sweep).text
    assert "widths 784, 64 × 40, 10" in text
    assert "64, 64" not in text
    assert "s computing time" in text


@pytest.mark.parametrize("held", ["{", "[]", '{"config": 3}'])
def test_a_torn_study_json_is_one_clear_message(held: str, tmp_path: Path) -> None:
    """Found, expected, remedy."""
    (tmp_path / "study.json").write_text(held)
    with pytest.raises(ConfigurationError, match=r"study\.json.*expected a JSON object.*delete it"):
        read_provenance(tmp_path)
