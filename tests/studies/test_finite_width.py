"""The study of finite width on made-up networks whose law is known: drawn from it, or wider than it."""

import functools
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from pandas import DataFrame

from experiments.core.study import Findings
from experiments.studies import FiniteWidth

SEEDS, DEPTHS = 400, (3, 5)
#: published mean and variance of ln of a ReLU layer's gain, by width
LAYER = {50: (-0.05173878, 0.10816813), 100: (-0.02542089, 0.05193999)}


@functools.cache
def found(wider: float) -> Findings:
    """Log gains of ReLU layers as shuffled normal quantiles; gradients of depth 5 ``wider`` in variance.

    A deeper network repeats the shallower one's lowest layers, as networks of one seed do.
    """
    results, ledger = list[dict[str, object]](), list[dict[str, object]]()
    quantiles = np.array([NormalDist().inv_cdf((k + 0.5) / SEEDS) for k in range(SEEDS)])
    for width, (mean, variance) in LAYER.items():
        draws = np.random.default_rng(width)
        shuffled = [draws.permutation(quantiles) for _ in range(2 * max(DEPTHS) - 2)]
        for seed, normal in enumerate(np.transpose(shuffled)):
            gains = (mean + variance**0.5 * normal).reshape(2, -1)
            for depth in DEPTHS:
                cell = f"{width}-{seed * 37 % SEEDS}-{depth}"  # not in the order of the seeds
                results.append({
                    "cell": cell, "status": "finished", "activation": "relu", "initializer": "he",
                    "model.width": width, "model.depth": depth, "trainer.batch_size": 1, "seed": seed,
                })  # fmt: skip
                up, down = gains[:, : depth - 1]
                if depth == max(DEPTHS):
                    down = mean + wider**0.5 * (down - mean)
                signal = np.exp([0.0, *np.cumsum(up)])
                delta = [*np.cumsum(down[::-1])[::-1], 0.0, 0.0]
                for k in range(depth + 1):
                    ledger.append({
                        "cell": cell, "step": 0, "layer": k + 2,
                        "log10_delta_norm": delta[k] / 2 / math.log(10),
                        "activation_mean": 0.0, "activation_variance": signal[min(k, depth - 1)],
                    })  # fmt: skip
    return FiniteWidth().findings(DataFrame(results), DataFrame(ledger), Path())


def test_networks_drawn_from_the_law_confirm_it() -> None:
    """1600 networks of 400 seeds, counted by seeds; a wider network divides the variance."""
    signal, gradient, widths, factor = found(1.0).verdicts
    assert [v.outcome for v in (signal, widths, factor)] == ["confirmed", "confirmed", "measured"]
    assert "1600 networks of 400 seeds" in signal.sentence
    assert gradient.outcome == "confirmed"
    assert "excludes" not in gradient.sentence
    assert "from width 50 to 100" in widths.sentence


def test_one_depth_beside_the_law_is_not_hidden_by_the_others() -> None:
    """Variance doubled at depth 5 alone: refuted there, and said by name."""
    gradient = found(2.0).verdicts[1]
    assert gradient.outcome == "refuted"
    assert "At depth 5 the interval excludes the law" in gradient.sentence


def test_cells_without_a_gain_are_counted() -> None:
    """One hidden layer, and layers of several widths: left out, and said."""
    made = {
        "status": "finished",
        "activation": "relu",
        "initializer": "he",
        "trainer.batch_size": 1,
    }
    shapes = [(9.0, 3.0)] * 4 + [(9.0, 1.0), (math.nan, 3.0), (math.nan, math.nan)]
    results = DataFrame([
        {"cell": f"c{k}", "seed": k, **made, "model.width": width, "model.depth": depth}
        for k, (width, depth) in enumerate(shapes)
    ])  # fmt: skip
    ledger = DataFrame([
        {"cell": f"c{k}", "step": 0, "layer": layer, "log10_delta_norm": 0.1 * k * (4 - layer),
         "activation_mean": 1.0, "activation_variance": 0.0}
        for k in range(len(shapes)) for layer in (2, 3, 4, 5)
    ])  # fmt: skip
    last = FiniteWidth().findings(results, ledger, Path()).verdicts[-1]
    assert last.sentence.startswith("Left out 3 of 7 cells,")


def test_the_figures_say_what_they_draw() -> None:
    """What is divided by what, whose law is dashed, that seeds are what counts."""
    spread, law, drift = found(1.0).figures
    assert "nearly the gradient's" in spread.caption
    assert "whole seeds" in law.caption
    assert "divided by its norm at the last hidden layer" in drift.caption
    assert "geometric mean" in drift.caption


@pytest.mark.parametrize("key", ["trainer.batch_size", "activation"])
def test_without_an_exact_law_nothing_is_judged(key: str, tmp_path: Path) -> None:
    """Batches, and tanh: the law's verdict is undecided and says what is missing."""
    shape = {"initializer": "he", "model.width": 9, "model.depth": 3, "activation": "relu"}
    shape |= {"trainer.batch_size": 1, "status": "finished"} | {
        key: {"trainer.batch_size": 32, "activation": "tanh"}[key]
    }
    results = DataFrame([{"cell": f"c{k}", "seed": k, **shape} for k in range(6)])
    ledger = DataFrame([
        {"cell": f"c{k}", "step": 0, "layer": layer, "log10_delta_norm": 0.1 * k * (4 - layer),
         "activation_mean": 1.0, "activation_variance": 0.0}
        for k in range(6) for layer in (2, 3, 4, 5)
    ])  # fmt: skip
    first = FiniteWidth().findings(results, ledger, tmp_path).verdicts[0]
    assert first.outcome == "undecided"
    assert "trainer.batch_size=1" in first.sentence
