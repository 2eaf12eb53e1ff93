"""Intervals over seeds: of a mean, a share, a paired difference, a slope.

A seed, that is a whole run, gives one number, so whatever was measured within one run (its points along a
line, both sides of a comparison) stays together. The mean of these numbers has Student's interval, which
is right for normal numbers however few there are. The bootstrap is not: it never leaves the range of the
seeds, so that of 3, 5 and 10 seeds covers the true mean 72, 85 and 91 times in a hundred, and a verdict
that rests on it is wrong more often than it says. The price is that a bound may lie where no seed can,
such as an accuracy above 1.

References:
    Student (1908), The probable error of a mean. Wilson (1927), for shares.
"""

import math

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy import stats

from experiments.core.errors import ConfigurationError, describe
from experiments.core.interval import Interval

LEVEL = 0.95
#: relative to the largest: seeds that differ by less agree
ROUNDING = 1e-12


def mean_interval(samples: Float64[ndarray, " seeds"], level: float = LEVEL) -> Interval:
    """Mean of one number per seed, with Student's interval.

    Non-finite values are left out and counted in the result.

    Example:
        >>> print(mean_interval(np.array([0.90, 0.92, 0.91, 0.93, np.nan])))
        0.915 [0.894, 0.936] (1 not finite)
    """
    finite = samples[np.isfinite(samples)]
    left_out = len(samples) - len(finite)
    if len(finite) == 0:
        return Interval(math.nan, math.nan, math.nan, 0, left_out)
    # Scaled to 1, so that neither sums nor squares overflow or underflow.
    scale = float(np.abs(finite).max()) or 1.0
    samples = finite / scale
    mean = scale * float(samples.mean())
    if len(finite) == 1:
        return Interval(mean, math.nan, math.nan, 1, left_out)
    if np.ptp(samples) <= ROUNDING:
        return Interval(mean, mean, mean, len(finite), left_out)
    error = scale * float(samples.std(ddof=1)) / math.sqrt(len(finite))
    half = error * float(stats.t.ppf((1 + level) / 2, len(finite) - 1))
    return Interval(mean, mean - half, mean + half, len(finite), left_out)


def share_interval(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Share of seeds for which something holds, with Wilson's interval (0 of n is not exactly 0).

    Example:
        >>> print(share_interval(10, 10))
        1 [0.722, 1]
    """
    if trials == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    found = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    return Interval(successes / trials, float(found.low), float(found.high), trials)


def paired_difference(
    a: Float64[ndarray, " seeds"], b: Float64[ndarray, " others"], level: float = LEVEL
) -> Interval:
    """Mean of a - b, where entry k of both belongs to the same seed.

    Pairing removes what a seed does to both sides (its data order, its initial draw).

    Raises:
        ConfigurationError: if the two have different numbers of seeds.
    """
    if len(a) != len(b):
        raise ConfigurationError(
            describe(
                f"{len(a)} and {len(b)} values", "one pair for each seed", "match them by seed"
            )
        )
    with np.errstate(invalid="ignore"):  # inf - inf is not finite, and counted as such
        return mean_interval(a - b, level)


def slopes(
    x: Float64[ndarray, " points"], samples: Float64[ndarray, "seeds points"]
) -> Float64[ndarray, " seeds"]:
    """Least-squares slope of each seed's finite points against x; NaN where fewer than two."""
    finite = np.isfinite(samples)
    count = finite.sum(axis=1)
    y = np.where(finite, samples, 0.0)
    safe = np.maximum(count, 1)
    x_mean = (finite * x).sum(axis=1) / safe
    y_mean = y.sum(axis=1) / safe
    dx = np.where(finite, x - x_mean[:, None], 0.0)
    spread = (dx**2).sum(axis=1)
    rise = (dx * (y - y_mean[:, None])).sum(axis=1)
    return np.where(spread > 0, rise / np.where(spread > 0, spread, 1.0), np.nan)


def slope_interval(
    x: Float64[ndarray, " points"],
    samples: Float64[ndarray, "seeds points"],
    level: float = LEVEL,
) -> Interval:
    """Mean over seeds of the least-squares slope against x, with its interval.

    A seed with an infinite point, such as a gradient of 0 on a log axis, is left out and counted, although
    its other points have a slope: where the gradient is gone, the slope of what is left is too flat.

    Example:
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> print(slope_interval(x, np.array([2 * x, 2 * x + 5, [2, 4, -np.inf]])))
        2 [2, 2] (1 not finite)
    """
    infinite = np.isinf(samples).any(axis=1)
    return mean_interval(np.where(infinite, np.nan, slopes(x, samples)), level)
