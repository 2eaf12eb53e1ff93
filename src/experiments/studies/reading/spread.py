"""How much signal and gradient vary from seed to seed at initialisation, for networks of one shape."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from pandas import DataFrame
from scipy import stats

from experiments.activations import Identity, ReLU
from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.core.interval import Interval
from experiments.initializers import Gaussian, He, LeCun
from experiments.reporting.configurations import configurations, varying_axes
from experiments.reporting.intervals import LEVEL, mean_interval
from experiments.reporting.profiles import at_step, layers_of
from experiments.studies.reading.family import DEPTH, PAIR
from experiments.studies.reading.rooms import activation_of, initializer_of
from experiments.theory import BatchMoments, finite_width, predicted_profile

WIDTH = "model.width"
BATCH = "trainer.batch_size"
#: the two log gains of a ``Spread``
Gain = Literal["gradient", "signal"]


@dataclass(frozen=True)
class GainLaw:
    """Predicted mean and variance of the log of a squared norm's gain over all steps.

    Where it is not exact, the docstring of ``law_of`` says what is neglected.
    """

    mean: float
    variance: float
    exact: bool


@dataclass(frozen=True)
class Spread:
    """Networks that differ only in seed, measured with one example each.

    Args:
        label: activation, initializer and further axes.
        activation: option name.
        depth: hidden layers; a gain runs over ``depth - 1`` steps between them.
        width: neurons in each.
        gradient: ln (||delta^[2]||^2 / ||delta^[L-1]||^2) of every seed; -inf where it has died.
        signal: ln (||a^[L-1]||^2 / ||a^[2]||^2) of every seed.
        law: of the gradient's gain, and of the signal's too where it is exact; None where unknown.
        seeds: the seed of every entry of ``gradient`` and ``signal``.
    """

    label: str
    activation: str
    depth: int
    width: int
    gradient: Float64[ndarray, " seeds"]
    signal: Float64[ndarray, " others"]
    law: GainLaw | None
    seeds: Int64[ndarray, " seeds"]

    @property
    def steps(self) -> int:
        return self.depth - 1

    @property
    def thinness(self) -> float:
        """Sum of 1 / n over the steps: depth over width."""
        return self.steps / self.width

    def standardised(self, gain: Gain) -> Float64[ndarray, " seeds"]:
        """The gradient's or the signal's log gains minus the law's mean, over its standard deviation.

        Raises:
            ConfigurationError: if there is no law of these networks.
        """
        if self.law is None:
            raise ConfigurationError(
                describe(
                    f"no law of {self.label}",
                    "networks whose gains have a predicted law",
                    "leave out those whose law is None",
                )
            )
        log_gains: Float64[ndarray, " seeds"] = getattr(self, gain)
        return np.asarray((log_gains - self.law.mean) / self.law.variance**0.5, np.float64)


def spreads_of(results: DataFrame, ledger: DataFrame) -> list[Spread]:
    """One for every shape and combination of further axes, from rows of cells that are over."""
    start = at_step(ledger, 0)
    others = [key for key in varying_axes(results) if key not in (*PAIR, DEPTH, WIDTH)]
    spreads = []
    for group in configurations(results, [*PAIR, *others]):
        for (depth, width), rows in group.rows.groupby([DEPTH, WIDTH]):
            cells = list(rows["cell"])
            gradient = _log_squares(start, cells) if depth >= 2 else np.empty((0, 2))
            signal = _log_signal(start, cells) if depth >= 2 else np.empty((0, 2))
            row = rows.iloc[0].to_dict()
            spreads.append(
                Spread(
                    label=group.label,
                    activation=str(row["activation"]),
                    depth=int(depth),
                    width=int(width),
                    gradient=_ratio(gradient[:, 0], gradient[:, -1]),
                    signal=_ratio(signal[:, -1], signal[:, 0]),
                    law=law_of(row),
                    seeds=seeds_of(start, rows) if len(gradient) else np.empty(0, np.int64),
                )
            )
    return spreads


def law_of(row: Mapping[str, Any]) -> GainLaw | None:
    """The law of the squared gain over all steps between hidden layers, for one example.

    Exact for ReLU and linear networks with normal weights and no biases. For other activations, from an
    input of mean square 1, the variance is the leading order in 1 / n of the gradient's
    (``finite_width.gradient_scatter``), and the mean is mean field's less half of the variance of the layers'
    own draws; what the scatter of the length does to the mean, also of order 1 / n, is left out. None where
    theory has nothing to go on, and for batches, whose gradient is no single vector.

    Example:
        >>> row = {"activation": "relu", "initializer": "he", "model.width": 100, "model.depth": 11}
        >>> law = law_of(row | {"trainer.batch_size": 1})
        >>> round(law.mean, 6), round(law.variance, 6), law.exact
        (-0.254209, 0.5194, True)
    """
    steps, width = int(row[DEPTH]) - 1, int(row[WIDTH])
    if steps < 1 or row.get(BATCH) != 1:
        return None
    try:
        activation, initializer = activation_of(row), initializer_of(row)
        sigma_w = math.sqrt(width * initializer.weight_variance(width, width))
        sigma_b = math.sqrt(initializer.bias_variance(width, width))
        if isinstance(activation, ReLU | Identity) and sigma_b == 0 and _normal(initializer):
            layer = _exact(activation, width)
            mean = layer.mean + 2 * math.log(sigma_w)
            return GainLaw(steps * mean, steps * layer.variance, exact=True)
        variance = finite_width.gradient_scatter(activation, sigma_w, sigma_b, steps)[-1] / width
        widths = (width, *[width] * (steps + 1), width)
        profile = predicted_profile(widths, activation, initializer, BatchMoments(1.0, 1.0))
    except ConfigurationError:
        return None
    first, last = (profile.log10_delta_norm[k] - profile.log10_shortfall[k] for k in (0, -2))
    return GainLaw(2 * math.log(10) * (first - last), variance, exact=False)


def _exact(activation: ReLU | Identity, width: int) -> finite_width.LogGain:
    """The law of one layer with Var W = 1 / n."""
    if isinstance(activation, Identity):
        return finite_width.linear_log_gain(width)
    he = finite_width.log_gain(width)
    return finite_width.LogGain(he.mean - math.log(2), he.variance, he.dead)


def _normal(initializer: Initializer) -> bool:
    return isinstance(initializer, Gaussian) or (
        isinstance(initializer, He | LeCun) and initializer.distribution == "normal"
    )


def variance_interval(samples: Float64[ndarray, " seeds"], level: float = LEVEL) -> Interval:
    """Variance over seeds with its chi-squared interval, for approximately normal numbers.

    Example:
        >>> print(variance_interval(np.arange(10.0)))
        9.17 [4.34, 30.6]
    """
    finite = samples[np.isfinite(samples)]
    left_out = len(samples) - len(finite)
    if len(finite) < 2:
        return Interval(math.nan, math.nan, math.nan, len(finite), left_out)
    variance, free = float(finite.var(ddof=1)), len(finite) - 1
    low, high = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], free)
    return Interval(
        variance, free * variance / float(low), free * variance / float(high), free + 1, left_out
    )


def variance_over_seeds(
    samples: Float64[ndarray, " networks"], seeds: Int64[ndarray, " networks"], level: float = LEVEL
) -> Interval:
    """Variance of networks that are not independent: some share a seed, and so their lower layers.

    Whole seeds are resampled. Each contributes its mean squared deviation from the mean of all networks.

    Example:
        Repeating each value adds no information:

        >>> values = np.arange(10.0)
        >>> print(variance_over_seeds(values, np.arange(10)))
        9.17 [3.08, 15.3]
        >>> print(variance_over_seeds(np.repeat(values, 2), np.repeat(np.arange(10), 2)))
        9.17 [3.08, 15.3]
    """
    finite = np.isfinite(samples)
    known, left_out = samples[finite], int((~finite).sum())
    if len(known) < 2:
        return Interval(math.nan, math.nan, math.nan, len(known), left_out)
    squares = per_seed((known - known.mean()) ** 2, seeds[finite])
    variance = mean_interval(squares * len(squares) / max(len(squares) - 1, 1), level)
    return replace(variance, left_out=left_out)


def per_seed(
    samples: Float64[ndarray, " networks"], seeds: Int64[ndarray, " networks"]
) -> Float64[ndarray, " seeds"]:
    """The mean over each seed's finite networks.

    >>> per_seed(np.array([1.0, 5.0, 3.0, np.nan]), np.array([0, 1, 0, 1])).tolist()
    [2.0, 5.0]
    """
    finite = np.isfinite(samples)
    return np.array(
        [samples[finite & (seeds == seed)].mean() for seed in np.unique(seeds[finite])], np.float64
    )


def variance_ratio(
    a: Float64[ndarray, " seeds"], b: Float64[ndarray, " others"], level: float = LEVEL
) -> Interval:
    """Var a / Var b with its F interval, for independent and approximately normal numbers.

    Example:
        >>> print(variance_ratio(np.arange(30.0), np.arange(30.0) / 2))
        4 [1.9, 8.4]
    """
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if min(len(a), len(b)) < 2 or b.var() == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    ratio = float(a.var(ddof=1) / b.var(ddof=1))
    low, high = stats.f.ppf([(1 + level) / 2, (1 - level) / 2], len(a) - 1, len(b) - 1)
    return Interval(ratio, ratio / float(low), ratio / float(high), min(len(a), len(b)))


def _ratio(
    upper: Float64[ndarray, " seeds"], lower: Float64[ndarray, " seeds"]
) -> Float64[ndarray, " seeds"]:
    """The log of a ratio, from two logarithms; NaN where both are -inf."""
    with np.errstate(invalid="ignore"):
        return np.asarray(upper - lower, np.float64)


def seeds_of(start: DataFrame, rows: DataFrame) -> Int64[ndarray, " seeds"]:
    """The seeds of the cells that the ledger holds, in the order of ``layers_of``."""
    recorded = rows[rows["cell"].isin(start["cell"])]
    return np.asarray(recorded.sort_values("cell")["seed"], np.int64)


def _log_squares(start: DataFrame, cells: list[str]) -> Float64[ndarray, "seeds layers"]:
    """ln ||delta^[l]||^2 of the hidden layers; empty where the ledger does not hold them."""
    _, values = layers_of(start, cells)
    return 2 * math.log(10) * values[:, :-1] if values.shape[1] > 2 else np.empty((0, 2))


def _log_signal(start: DataFrame, cells: list[str]) -> Float64[ndarray, "seeds layers"]:
    """ln of the mean square of a^[l] of the hidden layers."""
    mean, variance = (
        layers_of(start, cells, f"activation_{moment}")[1] for moment in ("mean", "variance")
    )
    if mean.shape[1] <= 2:
        return np.empty((0, 2))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(mean**2 + variance)[:, :-1], np.float64)
