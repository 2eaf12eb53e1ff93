"""Isometry on networks drawn small: what a finite width does, unequal starts, runs that diverged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame
from tests.reporting.fabricated import write_minimal_record

from experiments.core.study import Findings
from experiments.reporting.figures import Panel
from experiments.studies import DynamicalIsometry, isometry_figures

KINDS = ("critical", "critical_orthogonal")
GUESSING = float(np.log(10))


def _row(
    activation: str, kind: str, depth: int, seed: int, loss: float, width: int
) -> dict[str, Any]:
    diverged = bool(np.isnan(loss))
    return {
        "cell": f"{activation}-{kind}-{depth}-{seed}", "status": "diverged" if diverged else "finished",
        "activation": activation, "initializer": kind, "initializer.sigma_b": 0.0, "data": "digits",
        "loss": "cross_entropy", "model.depth": depth, "model.width": width, "seed": seed,
        "diverged_at": 4.0 if diverged else np.nan, "train/loss": loss,
    }  # fmt: skip


def _rows(losses: dict[tuple[str, str], float], depths: tuple[int, ...], width: int) -> DataFrame:
    return DataFrame([
        _row(activation, kind, depth, seed, loss + 0.01 * seed, width)
        for (activation, kind), loss in losses.items() for depth in depths for seed in range(3)
    ])  # fmt: skip


def _write(folder: Path, rows: DataFrame) -> None:
    """Each cell's record: a loss at every fifth step, of a diverged run the first alone."""
    for row in rows.to_dict("records"):
        diverged = row["status"] == "diverged"
        steps = [0] if diverged else [0, 5, 10]
        write_minimal_record(
            folder,
            row,
            history={"step": steps, "train/loss": [GUESSING] * len(steps)},
            diverged_at=int(row["diverged_at"]) if diverged else None,
        )


def _findings(
    folder: Path, losses: dict[tuple[str, str], float], depths: tuple[int, ...], width: int
) -> Findings:
    rows = _rows(losses, depths, width)
    _write(folder, rows)
    return DynamicalIsometry().findings(rows, DataFrame(), folder)


def _said(found: Findings, opening: str) -> str:
    return next((v.sentence for v in found.verdicts if v.sentence.startswith(opening)), "")


@pytest.mark.slow
def test_runs_that_diverged_are_counted_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All Gaussian runs of identity diverged: said, marked, and every kind keeps its colour's rank."""
    losses = {
        ("identity", "critical"): np.nan, ("identity", "critical_orthogonal"): 0.2,
        ("tanh", "critical"): 0.5, ("tanh", "critical_orthogonal"): 0.1,
        ("relu", "critical"): 2.2, ("relu", "critical_orthogonal"): 2.1,
    }  # fmt: skip
    drawn: list[list[Panel]] = []
    for name in ("learning_curves", "against_axis"):
        plain = getattr(isometry_figures, name)
        monkeypatch.setattr(
            isometry_figures, name,
            lambda panels, *a, _plain=plain, **k: (drawn.append(list(panels)), _plain(panels, *a, **k))[1],
        )  # fmt: skip
    found = _findings(tmp_path, losses, (3,), 16)
    training = _said(found, "Training loss")
    assert "identity: no seed finished with both kinds, 3 of 3 Gaussian runs diverged;" in training
    assert "neither trains" in training.split("relu:")[1].split("tanh:")[0]
    assert "0.4 [0.4, 0.4], from 0.51 to 0.11" in training.split("tanh:")[1]
    _, spreads, learning = drawn
    for panel in (*spreads, *learning):
        assert [curve.label for curve in panel.curves] == ["gaussian", "orthogonal"]
    lost = learning[0].curves[0]
    assert learning[0].title == "identity, depth 3"
    assert np.isnan(lost.samples[-1]).all()
    assert "× 3/3" in found.figures[-1].svg


def test_relus_zeros_are_those_of_its_narrowest_layer(tmp_path: Path) -> None:
    """Expected: 1 - E min / n over 20,000 draws of eight binomials, in NumPy; more than half."""
    losses = {("relu", kind): 0.5 for kind in KINDS}
    said = _said(_findings(tmp_path, losses, (3, 9), 32), "relu, share")
    expected = float(said.split("depth 9")[1].split("expected ")[1][:5])
    counts = np.random.default_rng(0).binomial(32, 0.5, (20_000, 8)).min(1)
    expected = float(said.split("depth 9")[1].split("expected ")[1].split(".")[1][:3]) / 1000
    assert expected == pytest.approx(1 - counts.mean() / 32, abs=2e-3)


@pytest.mark.parametrize(("width", "alike"), [(64, True), (128, False)])
def test_unequal_starts_are_said(tmp_path: Path, width: int, alike: bool) -> None:
    """64 inputs to 64 units have one variance with either kind; to 128 units orthogonal ones have half."""
    losses = {("tanh", kind): 0.5 for kind in KINDS}
    found = _findings(tmp_path, losses, (3,), width)
    assert (_said(found, "The two kinds do not start alike") == "") is alike


def test_no_spread_is_written_in_words(tmp_path: Path) -> None:
    """A linear orthogonal network: 0 to rounding, once in the sentence and as its interval."""
    losses = {("identity", kind): 0.5 for kind in KINDS}
    found = _findings(tmp_path, losses, (3, 5), 16)
    assert _said(found, "identity, orthogonal").count("0 to rounding") == 1
    frame = found.tables[0].frame
    assert set(frame[frame["weights"] == "orthogonal"]["95 %"]) == {"0 to rounding"}
