"""The exploding gradient on made-up sweeps with known factors, and one example's law against draws."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from pandas import DataFrame

from experiments.activations import ReLU, Tanh
from experiments.core.study import Findings
from experiments.studies import ExplodingGradient
from experiments.studies.exploding_growth import explosions_of, independent
from experiments.studies.reading.one_example import kept_by_one, log_variance

DEPTHS = (5, 20, 80, 95, 112, 125, 160)
FLOAT32 = 38.531839
SHARED = {
    "status": "finished", "data": "digits", "loss": "cross_entropy", "initializer": "gaussian",
    "initializer.sigma_b": 0.0, "model.width": 64, "trainer.batch_size": 64, "optimizer": "sgd",
    "val/accuracy": 0.1,
}  # fmt: skip


def _tables(
    factors: dict[tuple[str, float], float], seeds: int = 5, depths: Sequence[int] = DEPTHS
) -> tuple[DataFrame, DataFrame]:
    """The norm at the first layer is that at the output times a factor a layer, and a seed's own."""
    rows: list[dict[str, Any]] = []
    ledger: list[dict[str, Any]] = []
    for (activation, sigma_w), factor in factors.items():
        for depth in depths:
            for seed in range(seeds):
                cell = f"c{len(rows)}"
                rows.append(SHARED | {
                    "cell": cell, "activation": activation, "initializer.sigma_w": sigma_w,
                    "model.depth": depth, "optimizer.lr": 0.01, "seed": seed,
                })  # fmt: skip
                first = -0.8 + depth * math.log10(factor) * (1 + 2e-3 * (seed - 2))
                held = 10.0**first if first < FLOAT32 else math.inf
                for layer, log10, norm in ((2, first, held), (depth + 2, -0.8, 10**-0.8)):
                    ledger.append({
                        "cell": cell, "step": 0, "layer": layer, "log10_delta_norm": log10,
                        "delta_norm": norm,
                    })  # fmt: skip
    return DataFrame(rows), DataFrame(ledger)


def _findings(factors: dict[tuple[str, float], float]) -> Findings:
    with patch("experiments.studies.exploding_gradient.figures", return_value=()):
        return ExplodingGradient().findings(*_tables(factors), Path())


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_one_example_keeps_what_draws_keep(name: str) -> None:
    """E ln ||D W^T d||^2 over 40,000 layers of 64 units, in NumPy, within half a per cent of exp(-V/4)."""
    rng, n, q = np.random.default_rng(0), 64, 2.0
    u = np.sqrt(q) * rng.standard_normal((40_000, n))
    slope = (u > 0).astype(float) if name == "relu" else 1 / np.cosh(u) ** 2
    # W^T d of a unit vector d has independent normal entries
    gain = ((slope * rng.standard_normal(u.shape)) ** 2).sum(1)
    drift = np.log(gain).mean() - np.log(gain.mean())
    activation = ReLU() if name == "relu" else Tanh()
    assert kept_by_one(1.0, activation, q, n) == pytest.approx(np.exp(drift / 2), rel=5e-3)
    assert log_variance(activation, q, n) == pytest.approx(np.log(gain).var(), rel=0.1)


def test_a_factor_at_mean_fields_is_confirmed() -> None:
    """At sqrt(chi) = sigma_w / sqrt(2) a layer ReLU is inside both, and overflows where it is said to."""
    growth, mean_field, overflow = _findings({("relu", 4.0): 4 / math.sqrt(2) * 0.996}).verdicts[:3]
    assert (growth.outcome, mean_field.outcome) == ("confirmed", "confirmed")
    assert overflow.outcome == "confirmed"
    assert "between 80 and 95" in overflow.sentence


def test_a_factor_outside_both_laws_refutes() -> None:
    """5 % below what one example keeps."""
    growth = _findings({("relu", 4.0): 4 / math.sqrt(2) * 0.93}).verdicts[0]
    assert growth.outcome == "refuted"
    assert "0 of 1" in growth.sentence


def test_what_width_takes_is_said_and_refutes_mean_field_alone() -> None:
    """tanh at sigma_w = 10 with 2.14 a layer: between the two laws, six decades short at depth 160."""
    growth, mean_field, overflow = _findings({("tanh", 10.0): 2.14}).verdicts[:3]
    assert (growth.outcome, mean_field.outcome) == ("confirmed", "refuted")
    assert "decades at depth 160" in mean_field.sentence
    # 39.33 decades at log10(2.14) a layer: 119; mean field's 106 is among the depths that are held
    assert overflow.outcome == "refuted"
    assert "overflows between 112 and 125" in overflow.sentence


def test_scales_of_a_homogeneous_activation_are_one_experiment() -> None:
    """relu(c z) = c relu(z): two scales count once; two of tanh count twice."""
    factors = {(name, s): s / 1.45 for name in ("relu", "tanh") for s in (4.0, 10.0)}
    groups = independent(explosions_of(*_tables(factors, depths=(5, 10, 20))))
    assert [len(group) for group in groups] == [2, 1, 1]
    found = _findings({("relu", s): s / math.sqrt(2) for s in (4.0, 10.0)})
    assert "1 of 1 independent" in found.verdicts[0].sentence
    assert "2 scales of relu count as one" in found.verdicts[0].sentence


def test_depths_of_overflow_have_intervals() -> None:
    """(38.53 + 0.8) / log10(2.14) = 119 layers in the middle of an interval; extrapolation is rounded."""
    row = _findings({("tanh", 10.0): 2.14}).tables[0].frame.iloc[0]
    value, low, high = map(
        int, row["fit passes float32"].replace("[", "").strip("]").replace(",", "").split()
    )
    assert low <= value == 119 <= high
    assert row["float32 measured"] == "between 112 and 125"
    assert row["float32 predicted"] == "106"


def test_two_seeds_do_not_refute_a_depth_of_overflow() -> None:
    """Of two seeds that both hold at 112 nothing is known about the half: undecided, and said."""
    tables = _tables({("tanh", 10.0): 2.14}, seeds=2)
    with patch("experiments.studies.exploding_gradient.figures", return_value=()):
        overflow = ExplodingGradient().findings(*tables, Path()).verdicts[2]
    assert overflow.outcome == "undecided"
    assert "too few seeds to tell: tanh" in overflow.sentence
