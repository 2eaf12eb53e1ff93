"""Every study answers for whatever it is given. Studies are discovered from the package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine
from tests.reporting.fabricated import fabricate, write_cell

from experiments import studies
from experiments.core.study import Study
from experiments.reporting.collect import collect
from experiments.reporting.report import write_report

STUDIES = [
    room for room in vars(studies).values() if isinstance(room, type) and issubclass(room, Study)
]
AXES = {
    "activation": "sigmoid", "initializer": "glorot", "data": "digits", "loss": "cross_entropy",
    "model.depth": 3, "model.width": 16, "seed": 0, "trainer.batch_size": 32,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _margins_not_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitting them to the labels is two thirds of drawing, and nobody looks at these figures."""
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)


def _usual(folder: Path) -> None:
    gains = {("sigmoid", "glorot"): 0.2, ("relu", "he"): 1.0}
    fabricate(folder, gains, depths=(2, 4), seeds=2, **{"model.width": 16})


def _one_cell(folder: Path) -> None:
    write_cell(folder, "only", AXES)


def _all_failed(folder: Path) -> None:
    write_cell(folder, "a", AXES, status="failed")
    write_cell(folder, "b", AXES | {"model.depth": -1}, status="failed")


def _nothing_finite(folder: Path) -> None:
    for seed in range(2):
        for depth in (2, 4):
            bad = {"val/loss": float("inf"), "val/accuracy": float("nan")}
            write_cell(
                folder, f"{seed}{depth}", AXES | {"seed": seed, "model.depth": depth}, metrics=bad,
                status="diverged", history={"step": [0], "val/accuracy": [float("nan")]},
            )  # fmt: skip


def _no_ledger(folder: Path) -> None:
    _usual(folder)
    for path in folder.rglob("ledger.parquet"):
        path.unlink()


def _with_holes(folder: Path) -> None:
    _usual(folder)
    cells = sorted((folder / "cells").iterdir())
    (cells[0] / "record.json").write_text("{")
    (cells[1] / "ledger.parquet").write_bytes(b"torn")
    write_cell(folder, "f", AXES | {"seed": 7}, status="failed")


def _foreign_options(folder: Path) -> None:
    for depth in (2, 4):
        own = {"activation": "my_own", "data": "my_data", "model.depth": depth}
        write_cell(folder, f"c{depth}", AXES | own)


def _regression(folder: Path) -> None:
    for depth in (2, 4):
        loss_only = {"train/loss": 0.1, "val/loss": 0.2}
        curve = {"step": [0, 1], "val/loss": [1.0, 0.2]}
        axes = AXES | {"data": "unit_cube", "model.depth": depth}
        write_cell(folder, f"c{depth}", axes, metrics=loss_only, history=curve)


def _failed_elsewhere(folder: Path) -> None:
    """An axis along which only a failed cell has a place."""
    _usual(folder)
    write_cell(folder, "elsewhere", AXES | {"trainer.l2": 0.5}, status="failed")


MADE: list[Callable[[Path], None]] = [
    _usual, _one_cell, _all_failed, _nothing_finite, _no_ledger, _with_holes, _foreign_options,
    _regression, _failed_elsewhere,
]  # fmt: skip


@pytest.mark.parametrize("study", STUDIES, ids=lambda room: room.__name__)
@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__.strip("_"))
def test_a_study_answers_for_whatever_it_is_given(study, make, tmp_path: Path) -> None:
    """Failures, divergence, holes, missing probes: a report is written and every verdict has words."""
    make(tmp_path)
    collection = collect(tmp_path)
    before = collection.results.copy()
    findings = study().findings(collection.results, collection.ledger, tmp_path)
    assert findings.verdicts
    for verdict in findings.verdicts:
        assert verdict.outcome in ("confirmed", "refuted", "undecided", "measured")
        assert verdict.sentence.endswith(".")
        assert "nan" not in verdict.sentence.lower().split()
    for figure in findings.figures:
        assert figure.caption
        assert figure.svg.startswith("<svg")
    for table in findings.tables:
        assert table.caption
        assert table.frame.columns.is_unique
    assert len({figure.title for figure in findings.figures}) == len(findings.figures)
    assert collection.results.equals(before), "a study must not change the tables it reads"
    assert write_report(tmp_path, study(), findings).stat().st_size > 1000


@pytest.mark.parametrize("study", STUDIES, ids=lambda room: room.__name__)
def test_a_study_says_what_it_asks_and_what_would_refute_it(study: type[Study]) -> None:
    """A question; a claim and its refutation, or neither."""
    assert study.question.endswith("?")
    assert bool(study.claim) == bool(study.refuted_by)


@pytest.mark.parametrize("study", STUDIES, ids=lambda room: room.__name__)
def test_the_same_cells_give_the_same_findings(study: type[Study], tmp_path: Path) -> None:
    """Intervals, sentences and pictures are reproducible."""
    _usual(tmp_path)
    collection = collect(tmp_path)
    first, again = (
        study().findings(collection.results, collection.ledger, tmp_path) for _ in range(2)
    )
    assert first.verdicts == again.verdicts
    assert first.figures == again.figures
    assert all(
        np.array_equal(a.frame.to_numpy().astype(str), b.frame.to_numpy().astype(str))
        for a, b in zip(first.tables, again.tables, strict=True)
    )
