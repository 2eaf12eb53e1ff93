"""What the terminal shows of a report fits the terminal, and a file gets everything."""

import os

import pytest
from pandas import DataFrame

from experiments.app.terminal import fitted, show
from experiments.core.study import Findings, Table, Verdict
from experiments.reporting.collect import Collection
from experiments.studies import Sweep

RESULTS = DataFrame({"status": ["finished"] * 11 + ["failed"], "error": [None] * 11 + ["Boom: x"]})
SENTENCE = "The factor a layer is 0.25 [0.24, 0.26] against 0.236 [0.235, 0.237] of the theory."
WIDE = DataFrame({f"column {k}": [k + 0.5] * 12 for k in range(9)})
FINDINGS = Findings((Verdict(SENTENCE, "measured"),), (Table("Wide", "All columns.", WIDE),))


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_lines_are_no_wider_than_the_terminal(width, monkeypatch, capsys) -> None:
    """Sentences wrap between words and outside intervals; columns that do not fit are counted."""
    monkeypatch.setenv("COLUMNS", str(width))
    show(Sweep(), FINDINGS, Collection(RESULTS, DataFrame(), ()))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert all(line.count("[") == line.count("]") for line in lines)
    assert " ".join(SENTENCE.split()) in " ".join(" ".join(lines).split())
    assert any("2 more rows" in line for line in lines)
    assert "12 cells: 11 finished, 1 failed" in lines
    assert "  Boom: x" in lines


def test_a_file_gets_every_column_and_a_line_for_each_verdict(monkeypatch, capsys) -> None:
    """Without a terminal nothing is wrapped, so that a log can be searched."""

    def no_terminal(descriptor: int) -> os.terminal_size:
        raise OSError(f"{descriptor} is not a terminal")

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", no_terminal)
    show(Sweep(), FINDINGS, Collection(RESULTS, DataFrame(), ()))
    lines = capsys.readouterr().out.splitlines()
    assert f"   measured  {SENTENCE}" in lines
    assert any("column 0" in line and "column 8" in line for line in lines)


def test_the_first_column_is_always_shown() -> None:
    """However narrow the terminal is."""
    assert fitted(WIDE, 5).splitlines()[-1] == "... 2 more rows and 8 more columns in the report"
