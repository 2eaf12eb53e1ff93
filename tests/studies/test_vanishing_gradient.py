"""The vanishing-gradient study on made-up sweeps whose answer is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.reporting.fabricated import fabricate, write_cell

from experiments.core.study import Findings
from experiments.reporting.collect import collect
from experiments.studies import VanishingGradient

DEPTHS = (2, 8, 20)


def _found(folder: Path) -> Findings:
    collection = collect(folder)
    return VanishingGradient().findings(collection.results, collection.ledger, folder)


def _row(findings: Findings, combination: str) -> pd.Series:
    frame = findings.tables[0].frame
    return frame[frame["combination"] == combination].iloc[0]


@pytest.fixture(scope="module")
def as_claimed(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Sigmoid loses sqrt(chi) = 0.236 a layer and does not learn; the others keep their gradient."""
    torch.set_num_threads(1)  # a fixture of the module runs before the one that sets threads
    folder = tmp_path_factory.mktemp("claimed")
    gains = {("sigmoid", "glorot"): 0.236, ("relu", "he"): 0.99, ("tanh", "critical"): 1.0}
    return _found(fabricate(folder, gains, depths=DEPTHS, seeds=6))


def test_the_factor_a_layer_is_the_one_that_was_put_in(as_claimed: Findings) -> None:
    """The fitted slope gives back the made-up factor, with an interval that holds it."""
    for combination, gain in {"sigmoid · glorot": 0.236, "relu · he": 0.99}.items():
        row = _row(as_claimed, combination)
        assert row["factor a layer"] == pytest.approx(gain, rel=2e-3)
        low, high = (float(x) for x in row["95 %"].strip("[]").split(","))
        assert low - 5e-4 <= gain <= high + 5e-4


def test_theory_stands_beside_it(as_claimed: Findings) -> None:
    """sqrt(chi) of the sigmoid at sigma_w = 1, sigma_b = 0 is published: chi = 0.05572070677."""
    row = _row(as_claimed, "sigmoid · glorot")
    assert row["√χ"] == pytest.approx(0.05572070677**0.5, rel=1e-6)
    assert row["predicted"] == pytest.approx(row["√χ"], rel=0.02)
    assert _row(as_claimed, "tanh · critical")["√χ"] == pytest.approx(1.0, abs=1e-6)


def test_what_is_as_claimed_is_confirmed_with_its_interval(as_claimed: Findings) -> None:
    """Loss a layer above 4 and no training at depth 20; the two healthy ones learn."""
    sigmoid, relu, tanh, agreement, slopes, kinds = as_claimed.verdicts
    assert [v.outcome for v in (sigmoid, relu, tanh, agreement)] == ["confirmed"] * 4
    assert "by 4.23 [4.2" in sigmoid.sentence
    assert "0 of 6 seeds learn" in sigmoid.sentence
    assert "6 of 6 seeds learn" in relu.sentence
    assert "3 of 3 combinations" in agreement.sentence
    assert kinds.outcome == slopes.outcome == "measured"
    assert "in the median of 3 combinations" in slopes.sentence


def test_how_deep_it_trains(as_claimed: Findings) -> None:
    """In the made-up world a network learns where 0.236^depth > 1e-3: up to depth 4, so 2."""
    assert _row(as_claimed, "sigmoid · glorot")["trains to depth"] == 2
    assert _row(as_claimed, "relu · he")["trains to depth"] == 20
    assert len(as_claimed.figures) == 6


def test_what_is_not_as_claimed_is_refuted(tmp_path: Path) -> None:
    """A sigmoid that loses little and learns, a ReLU that does not, factors far from theory."""
    gains = {("sigmoid", "glorot"): 0.9, ("relu", "he"): 0.3}
    findings = _found(fabricate(tmp_path, gains, depths=DEPTHS, seeds=5))
    sigmoid, relu, tanh, agreement, *_ = findings.verdicts
    assert (sigmoid.outcome, relu.outcome, agreement.outcome) == ("refuted",) * 3
    assert tanh.outcome == "undecided"
    assert "tanh with critical" in tanh.sentence
    assert "relu · he (0.3" in agreement.sentence


def test_too_shallow_or_too_few_is_undecided(tmp_path: Path) -> None:
    """One seed has no interval, and depth 5 says nothing of depth 20."""
    findings = _found(fabricate(tmp_path, {("sigmoid", "glorot"): 0.236}, depths=(2, 5), seeds=1))
    assert findings.verdicts[0].outcome == "undecided"
    assert "the claim is about depth 20" in findings.verdicts[0].sentence
    assert findings.verdicts[3].outcome == "undecided"


def test_arithmetic_vanishing_is_told_from_mathematical(tmp_path: Path) -> None:
    """A float norm of 0 with a finite logarithm is arithmetic; a logarithm of -inf is a true zero."""
    fabricate(tmp_path, {("sigmoid", "glorot"): 1e-4}, depths=(2, 20), seeds=3)
    cell = sorted((tmp_path / "cells").iterdir())[0]
    rows = pd.read_parquet(cell / "ledger.parquet")
    rows.loc[rows["layer"] == 2, ["log10_delta_norm", "delta_norm"]] = [-np.inf, 0.0]
    rows.to_parquet(cell / "ledger.parquet")
    sentence = _found(tmp_path).verdicts[-1].sentence
    # 1e-80 is not a float32; 1e-8 is
    assert "Of 6 first-layer gradients at initialisation 6 (100%) have vanished" in sentence
    assert "hold 2 of these (mathematical vanishing)" in sentence
    assert "have lost 3: they hold 0" in sentence
    assert "1 are exactly zero" in sentence
    assert "×10⁻⁸¹" in sentence or "×10⁻⁸⁰" in sentence


def test_further_axes_make_further_combinations(tmp_path: Path) -> None:
    """A width that is swept too is part of a combination's name, and is predicted with its width."""
    for k, width in enumerate((16, 64)):
        for seed in range(2):
            for depth in (2, 6):
                axes = {
                    "activation": "sigmoid", "initializer": "glorot", "data": "digits",
                    "loss": "cross_entropy", "model.depth": depth, "model.width": width,
                    "seed": seed,
                }  # fmt: skip
                write_cell(tmp_path, f"c{k}{seed}{depth}", axes, gain=0.236)
    findings = _found(tmp_path)
    assert list(findings.tables[0].frame["combination"]) == [
        "sigmoid · glorot · width 16", "sigmoid · glorot · width 64",
    ]  # fmt: skip
    assert "width 16: each layer" in findings.verdicts[0].sentence
    assert "width 64: each layer" in findings.verdicts[0].sentence
    panels = findings.figures[0].svg
    assert "sigmoid · width 16" in panels
    assert "sigmoid · width 64" in panels
