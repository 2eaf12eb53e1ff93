"""What studies read from rows: ends of training, best rates, best depths, shapes, spreads; known answers."""

import math

import mpmath
import numpy as np
import pytest
import torch
from pandas import DataFrame
from scipy import stats

from experiments.activations import Tanh
from experiments.initializers import He
from experiments.models import MLP
from experiments.studies.layer_speeds import LayerSpeeds
from experiments.studies.reading.ladder import Ladder
from experiments.studies.reading.network import drawn, network_of, widths_of
from experiments.studies.reading.reach import depth_at_level
from experiments.studies.reading.spread import (
    law_of,
    per_seed,
    spreads_of,
    variance_interval,
    variance_over_seeds,
    variance_ratio,
)
from experiments.studies.reading.start import start_of
from experiments.studies.reading.tuning import tuned

ROW = {
    "activation": "tanh",
    "initializer": "he",
    "data": "digits",
    "model.depth": 3,
    "model.width": 9,
}


@pytest.mark.parametrize(
    ("accuracy", "end"),
    [
        ([1.0, 0.9, 0.3], 20 + 20 * 0.4 / 0.6),  # a straight line between two depths
        ([1.0, 0.3, 0.9], 10 + 10 * 0.5 / 0.7),  # the first crossing counts
        ([0.9, np.nan, 0.1], 10 + 10 * 0.4 / 0.9),  # what is no number does not train
        ([0.9, 0.8, 0.5], math.inf),
        ([0.4, 0.9, 0.9], -math.inf),
    ],
)
def test_training_ends_where_the_accuracy_first_falls_below_one_half(accuracy, end) -> None:
    """Interpolated by hand; beyond the measured depths on either side it is infinite."""
    assert depth_at_level([10, 20, 40], np.array(accuracy)) == pytest.approx(end)


def _rates(losses: dict[float, list[float]]) -> DataFrame:
    rows = [
        {"optimizer.lr": rate, "seed": seed, "val/loss": loss,
         "status": "finished" if np.isfinite(loss) else "diverged", "test/loss": loss + 1}
        for rate, seeds in losses.items()
        for seed, loss in enumerate(seeds)
    ]  # fmt: skip
    return DataFrame(rows)


def test_the_best_rate_loses_no_seed_and_says_if_it_is_at_an_edge() -> None:
    """A rate whose surviving seeds do better, but not all survive, is not the best."""
    found = tuned(_rates({0.1: [0.5, 0.7], 1.0: [0.4, 0.5], 10.0: [0.1, math.nan]}))
    assert (found.rate, found.edge) == (1.0, "")
    assert found.at_best("test/loss").tolist() == [1.4, 1.5]
    assert tuned(_rates({0.1: [0.9], 1.0: [0.4]})).edge == "highest"
    assert tuned(_rates({0.1: [0.9]})).edge == ""


def test_depths_are_told_apart_by_paired_seeds() -> None:
    """A loss higher by 0.02 in every seed is told apart, however the seeds differ; one lost seed is not."""
    rng = np.random.default_rng(0)
    seeds = rng.normal(1.0, 0.5, 8)
    losses = {
        1: seeds + 0.02 + rng.normal(0, 0.004, 8),
        2: seeds,
        3: seeds + rng.normal(0, 0.01, 8) + 0.001,
        9: np.append(seeds[:-1], math.nan),
        20: np.full(8, math.nan),
    }
    rungs = {depth: tuned(_rates({0.1: list(values)})) for depth, values in losses.items()}
    ladder = Ladder("tanh", "equal width (4)", rungs)
    assert ladder.best == 2
    assert ladder.tied == [2, 3, 9]
    assert ladder.worse(1).value == pytest.approx(0.02, abs=0.004)
    assert ladder.worse(20).low == math.inf


def test_a_depth_is_not_worse_for_seeds_that_the_best_has_lost_or_nobody_compared() -> None:
    """A tie where each loses one seed; without a seed in common nothing is known."""
    lost = {1: [math.nan, 1.0, 1.1, 1.2], 2: [1.01, 1.02, math.nan, 1.19]}
    rungs = {depth: tuned(_rates({0.1: values})) for depth, values in lost.items()}
    assert Ladder("tanh", "equal width (4)", rungs).tied == [1, 2]
    apart = _rates({0.1: [9.0, 9.1, 9.2]}).assign(seed=[7, 8, 9])
    rungs = {1: tuned(_rates({0.1: [1.0, 1.1, 1.2]})), 2: tuned(apart)}
    assert Ladder("tanh", "equal width (4)", rungs).tied == [1, 2]


def test_a_row_gives_back_its_networks_as_they_were_drawn() -> None:
    """Shape, initializer and seed determine the weights; nothing is read from disk."""
    assert widths_of(ROW) == (64, 9, 9, 9, 10)
    assert widths_of(ROW | {"model.hidden": "[5, 6]"}) == (64, 5, 6, 10)
    assert widths_of(ROW | {"model.parameters": 7510.0, "model.depth": 1}) == (64, 100, 10)
    stack = drawn(DataFrame([ROW | {"seed": 7}, ROW | {"seed": 3}]))
    alone = MLP((64, 9, 9, 9, 10), Tanh(), He(), seed=3)
    assert torch.equal(stack.weights[2][1], alone.weights[2])
    assert drawn(DataFrame([ROW | {"seed": 0, "activation": "my_own"}])) is None


def test_a_row_gives_back_its_network_as_training_left_it(tmp_path) -> None:
    """With its skips and norms, in its own floats or in others; nothing from a foreign checkpoint."""
    row = ROW | {"cell": "c", "model.skip": True, "model.normalize": True}
    net = MLP(widths_of(ROW), Tanh(), He(), seed=5, skip=True, normalize=True).double()
    assert network_of(row, tmp_path) is None
    (tmp_path / "cells" / "c").mkdir(parents=True)
    torch.save(net.state_dict(), tmp_path / "cells" / "c" / "checkpoint")
    found = network_of(row, tmp_path)
    assert (found.skip, found.normalize) == (True, True)
    x = torch.linspace(-1, 1, 64, dtype=torch.float64)[None]
    assert torch.equal(found(x), net(x))
    assert network_of(row, tmp_path, torch.float32).weights[0].dtype == torch.float32
    assert network_of(row | {"model.width": 8}, tmp_path) is None
    assert network_of(row | {"activation": "my_own"}, tmp_path) is None


def test_where_a_row_starts_on_the_phase_diagram() -> None:
    """Published: xi_c 6.980273533 of tanh at (4, 0.05), critical at sigma_w^2 = 1.760954640."""
    gaussian = {
        "initializer": "gaussian",
        "initializer.sigma_w": 2.0,
        "initializer.sigma_b": 0.05**0.5,
    }
    found = start_of(ROW | gaussian)
    assert found.point.xi_c == pytest.approx(6.980273533, rel=1e-8)
    assert found.critical_sigma_w**2 == pytest.approx(1.760954640, rel=1e-8)
    assert start_of(ROW | {"initializer": "my_own"}) is None


def test_the_law_of_a_relu_row_is_the_published_one() -> None:
    """n = 50: mean -.05173878 and variance .10816813 a layer; a batch has no law; tanh's is not exact."""
    row = {"activation": "relu", "initializer": "he", "model.width": 50, "model.depth": 11}
    law = law_of(row | {"trainer.batch_size": 1})
    assert (law.mean, law.variance) == pytest.approx((-0.5173878, 1.0816813), rel=1e-6)
    assert law.exact
    assert law_of(row | {"trainer.batch_size": 32}) is None
    assert not law_of(row | {"trainer.batch_size": 1, "activation": "tanh"}).exact
    wider = {"initializer": "gaussian", "initializer.sigma_w": 2.0, "initializer.sigma_b": 0.0}
    shifted = law_of(row | {"trainer.batch_size": 1} | wider)
    assert shifted.mean - law.mean == pytest.approx(10 * math.log(2.0))


def test_the_law_of_a_linear_row_is_exact() -> None:
    """n = 40: psi(20) - ln 20 and psi'(20) a layer, by mpmath; of uniform weights 2 / n."""
    row = {"activation": "identity", "initializer": "lecun", "model.width": 40, "model.depth": 21}
    law = law_of(row | {"trainer.batch_size": 1})
    assert law.exact
    assert law.mean == pytest.approx(20 * float(mpmath.digamma(20) - mpmath.log(20)))
    assert law.variance == pytest.approx(20 * float(mpmath.psi(1, 20)))
    uniform = {"trainer.batch_size": 1, "initializer.distribution": "uniform"}
    assert not law_of(row | uniform).exact
    assert law_of(row | uniform).variance == pytest.approx(2 * 20 / 40, rel=1e-6)


def test_the_law_of_a_tanh_row_holds_the_scatter_of_the_length() -> None:
    """4.0 / n a layer, as simulated in tests/theory/test_finite_width.py; own draws alone have 3.0 / n."""
    row = {"activation": "tanh", "initializer": "critical", "model.width": 64, "model.depth": 81}
    law = law_of(row | {"trainer.batch_size": 1})
    assert law.variance * 64 / 80 == pytest.approx(4.0, abs=0.05)


def test_seeds_count_not_networks() -> None:
    """Three copies of each number: our intervals hold the truth, those as if independent too rarely."""
    draws = np.random.default_rng(1).normal(0, 1, (120, 40))
    seeds = np.tile(np.arange(40), 3)
    covered = []
    for numbers in draws:
        values = np.tile(numbers, 3)
        ours, naive = variance_over_seeds(values, seeds), variance_interval(values)
        assert ours.seeds == 40
        covered.append([x.low <= 1.0 <= x.high for x in (ours, naive)])
    ours_held, naive_held = np.mean(covered, axis=0)
    assert ours_held >= 0.85
    assert naive_held <= 0.82
    assert np.isnan(variance_over_seeds(np.array([1.0, np.nan]), np.array([0, 1])).low)


def test_every_gain_knows_its_seed() -> None:
    """Cells named against the order of their seeds: value and seed stay together, a lost cell is left out."""
    gains = {"c": (0, 1.0), "b": (1, 2.0), "a": (2, 3.0), "lost": (3, math.nan)}
    shape = {"activation": "relu", "initializer": "he", "model.width": 4, "model.depth": 2}
    results = DataFrame([{"cell": c, "seed": k, **shape} for c, (k, _) in gains.items()])
    results["trainer.batch_size"] = 1
    ledger = DataFrame([
        {"cell": c, "step": 0, "layer": layer, "log10_delta_norm": g if layer == 2 else 0.0,
         "activation_mean": 1.0, "activation_variance": 0.0}
        for c, (_, g) in gains.items() if c != "lost" for layer in (2, 3, 4)
    ])  # fmt: skip
    (found,) = spreads_of(results, ledger)
    order = np.argsort(found.seeds)
    assert found.seeds[order].tolist() == [0, 1, 2]
    assert found.gradient[order] == pytest.approx(2 * math.log(10) * np.array([1.0, 2.0, 3.0]))
    assert per_seed(found.gradient, found.seeds) == pytest.approx(found.gradient[order])


def _speeds(names: np.random.Generator) -> tuple[DataFrame, DataFrame]:
    """Sigmoid networks whose scatter belongs to the seed; cells are named in no order of seeds.

    A layer costs 0.7 decades, more with 2 hidden layers and less with 3 by what the seed says; squared
    error is slower by 0.7 decades.
    """
    rows, ledger = [], []
    for seed in range(8):
        luck, level = math.sin(seed), math.cos(3 * seed)
        for loss, gap in (("binary_cross_entropy", 0.0), ("half_squared_error", 0.7)):
            for depth, step in ((2, 0.7 + luck), (3, 0.7 - luck / 2)):
                cell = f"{names.integers(2**40):012x}"
                rows.append({"cell": cell, "seed": seed, "loss": loss, "model.depth": depth})
                for k in range(depth + 1):
                    speed = 10 ** (level - gap - step * (depth - k))
                    layer = {"cell": cell, "step": 0, "layer": k + 2}
                    ledger.append(layer | {"bias_gradient_norm": speed})
    same = {"activation": "sigmoid", "initializer": "he", "status": "finished", "model.width": 30}
    return DataFrame(rows).assign(**same), DataFrame(ledger)


def test_the_speeds_of_one_seed_are_compared_whatever_its_cells_are_called(tmp_path) -> None:
    """What a seed does to all its networks is no scatter of their ratio: the intervals have no width."""
    findings = LayerSpeeds().findings(*_speeds(np.random.default_rng(0)), tmp_path)
    entropy, squared, *_, gap = [verdict.sentence for verdict in findings.verdicts]
    step, apart = f"{10**-0.7:.3g}", f"{10**0.7:.3g}"
    for sentence in (entropy, squared):
        assert f"a hidden layer's speed is {step} [{step}, {step}] of that" in sentence
    assert f"the speeds are {apart} [{apart}, {apart}] times" in gap


def test_intervals_of_variances_cover() -> None:
    """Of 400 samples of 20 normal numbers 95 % (within 3 standard errors) have the truth inside."""
    draws = np.random.default_rng(0).normal(0, 2, (400, 2, 20))
    single = [variance_interval(a) for a, _ in draws]
    ratios = [variance_ratio(a, b) for a, b in draws]
    assert np.mean([x.low <= 4.0 <= x.high for x in single]) == pytest.approx(0.95, abs=0.033)
    assert np.mean([x.low <= 1.0 <= x.high for x in ratios]) == pytest.approx(0.95, abs=0.033)
    exact = stats.bootstrap((draws[0, 0],), np.var, rng=0, n_resamples=2000).confidence_interval
    assert variance_interval(draws[0, 0]).high == pytest.approx(exact.high, rel=0.5)


def test_one_seed_has_no_variance() -> None:
    """It is counted all the same, and what is not finite beside it."""
    alone = np.array([3.0, np.nan])
    for found in (variance_interval(alone), variance_over_seeds(alone, np.arange(2))):
        assert str(found) == "no value (one seed, no interval; 1 not finite)"
