"""Nielsen's neuron as the book states it, as the book draws it, and with another example."""

import math
from pathlib import Path

import pytest
from pandas import DataFrame
from tests.app.command import train

from experiments.core.study import Findings
from experiments.reporting.collect import collect
from experiments.studies import LearningSlowdown


def _findings(folder: Path, *overrides: str) -> Findings:
    """The study by its own command, and what it found."""
    answer = train("study=learning_slowdown", f"runs_dir={folder.parent}", *overrides)
    assert answer.status == 0, answer.err
    collection = collect(folder)
    return LearningSlowdown().findings(collection.results, collection.ledger, folder)


def _row(table: DataFrame, loss: str, rate: float, w: float, b: float) -> dict[str, float]:
    """One line of the table."""
    chosen = (table["loss"] == loss) & (table["rate"] == rate)
    (row,) = table[chosen & (table["w"] == w) & (table["b"] == b)].to_dict("records")
    return row


def _drawn_by_the_book(w: float, b: float) -> float:
    """300 steps of w, b <- w, b - .005 / (1 - a): dC/da of the cross-entropy, without sigma'(z)."""
    for _ in range(300):
        a = 1 / (1 + math.exp(-(w + b)))
        w, b = w - 0.005 / (1 - a), b - 0.005 / (1 - a)
    return 1 / (1 + math.exp(-(w + b)))


def test_the_printed_cross_entropy_is_that_of_another_rule(tmp_path: Path) -> None:
    """At the book's rate .005 the stated update ends at .418 and .780, the drawn one at .040 and .048."""
    found = _findings(tmp_path / "learning_slowdown", "optimizer.lr=0.005")
    table = found.tables[0].frame
    for start, stated, drawn in (
        ((0.6, 0.9), 0.4176792996, 0.0403656680),
        ((2.0, 2.0), 0.7795870642, 0.0478763240),
    ):
        row = _row(table, "binary cross entropy", 0.005, *start)
        assert float(row["at last"]) == pytest.approx(stated, abs=1e-8)
        assert row["without σ′"] == pytest.approx(drawn, abs=1e-10)
        assert _drawn_by_the_book(*start) == pytest.approx(drawn, abs=1e-10)
        squared = _row(table, "half squared error on sigmoid", 0.005, *start)
        assert math.isnan(squared["without σ′"])
    assert "published" not in found.verdicts[1].sentence


@pytest.mark.slow
def test_another_example_is_not_held_against_the_book(tmp_path: Path) -> None:
    """With x = 2 nothing was recomputed and nothing printed: both verdicts stay open."""
    found = _findings(tmp_path / "learning_slowdown", "optimizer.lr=0.15", "data.x=2")
    assert [verdict.outcome for verdict in found.verdicts] == ["undecided"] * 2
