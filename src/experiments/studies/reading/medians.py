"""Medians over seeds, where a few stuck seeds make a mean say nothing."""

import math

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy import stats

from experiments.core.interval import Interval

LEVEL = 0.95


def median_interval(samples: Float64[ndarray, " seeds"], level: float = LEVEL) -> Interval:
    """Median of one number per seed, between two of the seeds' own numbers.

    The r-th smallest and the r-th largest of n, r the largest for which a binomial (n, 1/2) lies below
    r with probability at most (1 - level) / 2: right for every distribution, and no resampling. With
    fewer than six seeds no two of them enclose the median with 95 %, and there are no bounds.

    Values that are not finite are left out and counted.

    Example:
        >>> found = median_interval(np.arange(11.0))
        >>> found.value, found.low, found.high
        (5.0, 1.0, 9.0)
        >>> print(median_interval(np.array([3.0, np.nan])))
        3 (one seed, no interval; 1 not finite)
    """
    finite = np.sort(samples[np.isfinite(samples)])
    n, left_out = len(finite), len(samples) - len(finite)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0, left_out)
    below = stats.binom.cdf(np.arange(n), n, 0.5)  # [k]: at most k seeds below the median
    r = int(np.searchsorted(below, (1 - level) / 2, side="right"))
    low, high = (finite[r - 1], finite[n - r]) if r else (math.nan, math.nan)
    return Interval(float(np.median(finite)), float(low), float(high), n, left_out)
