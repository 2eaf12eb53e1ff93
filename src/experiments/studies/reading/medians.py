"""Medians over seeds, where a few stuck seeds make a mean say nothing."""

import math

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy import stats

from experiments.core.interval import Interval

LEVEL = 0.95


def median_interval(samples: Float64[ndarray, " seeds"], level: float = LEVEL) -> Interval:
    """Median of one number per seed, with bounds that are two of the seeds' own numbers.

    The bounds are order statistics, chosen by the binomial distribution (``scipy.stats.quantile_test``).
    They hold for every distribution and need no resampling. With fewer than six seeds no two of them
    enclose the median with 95 %, and there are no bounds.

    Values that are not finite are left out and counted.

    Example:
        >>> eleven = median_interval(np.arange(11.0))
        >>> eleven.value, eleven.low, eleven.high
        (5.0, 1.0, 9.0)
        >>> print(median_interval(np.array([3.0, np.nan])))
        3 (one seed, no interval; 1 not finite)
    """
    finite = samples[np.isfinite(samples)]
    left_out = len(samples) - len(finite)
    if not len(finite):
        return Interval(math.nan, math.nan, math.nan, 0, left_out)
    bounds = stats.quantile_test(finite, p=0.5).confidence_interval(level)
    low, high = float(bounds.low), float(bounds.high)
    return Interval(float(np.median(finite)), low, high, len(finite), left_out)
