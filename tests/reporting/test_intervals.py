"""Intervals over seeds against closed forms and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from experiments.core.errors import ConfigurationError
from experiments.core.interval import Interval
from experiments.reporting.intervals import (
    mean_interval,
    paired_difference,
    share_interval,
    slope_interval,
    slopes,
)
from experiments.reporting.powers import power_interval
from experiments.reporting.summary import bounds


@pytest.mark.parametrize(
    ("interval", "note"),
    [
        (Interval(2.0, math.nan, math.nan, 5), "5 seeds, no interval"),
        (Interval(2.0, math.nan, math.nan, 1, left_out=2), "one seed, no interval; 2 not finite"),
    ],
)
def test_every_text_of_an_interval_says_why_it_has_no_bounds(interval: Interval, note: str) -> None:
    """In a sentence, in the column of bounds and as a power of ten; five seeds are not one."""
    assert str(interval) == f"2 ({note})"
    assert bounds(interval) == note
    assert power_interval(interval) == f"100 ({note})"


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_the_mean_interval_covers_the_truth_as_often_as_it_says(seeds: int) -> None:
    """Of normal seeds, however few, a 95 % interval holds the true mean 95 times in a hundred."""
    rng = np.random.default_rng(0)
    found = [mean_interval(rng.normal(size=seeds)) for _ in range(2000)]
    covered = np.mean([i.low <= 0 <= i.high for i in found])
    assert covered == pytest.approx(0.95, abs=0.015)


@given(
    # between subnormal numbers there is no room for a bound
    hnp.arrays(np.float64, st.integers(2, 12), elements=st.floats(-1e6, 1e6, allow_subnormal=False))
)
def test_the_mean_interval_is_students(x: np.ndarray) -> None:
    """Zero lies on the bound of a t test, by SciPy, that is tested at the bound."""
    found = mean_interval(x)
    scale = float(np.abs(x).max())
    assert found.low <= found.value <= found.high
    if np.ptp(x) <= 1e-6 * scale:
        return
    for bound in (found.low, found.high):  # SciPy's squares underflow
        assert stats.ttest_1samp(x / scale, bound / scale).pvalue == pytest.approx(0.05, rel=1e-6)


def test_what_is_not_finite_is_left_out_and_counted() -> None:
    """The mean of the finite seeds, and how many were not."""
    found = mean_interval(np.array([1.0, np.nan, 3.0, np.inf, -np.inf]))
    assert (found.value, found.seeds, found.left_out) == (2.0, 2, 3)
    assert "3 not finite" in str(found)


@pytest.mark.parametrize(
    ("samples", "seeds", "known"),
    [([], 0, False), ([np.nan], 0, False), ([0.7], 1, False), ([0.7, 0.7, 0.7], 3, True)],
)
def test_too_few_seeds_are_said_to_be_too_few(samples, seeds: int, known: bool) -> None:
    """No seed has no value, one seed no interval; seeds that agree have an interval of width 0."""
    found = mean_interval(np.array(samples))
    assert (found.seeds, found.known) == (seeds, known)
    if known:
        assert found.low == found.value == found.high == pytest.approx(0.7)


def test_pairing_removes_what_a_seed_does_to_both_sides() -> None:
    """A constant difference is found exactly, however far the seeds lie apart."""
    shared = np.random.default_rng(2).normal(0, 100, size=10)
    found = paired_difference(shared + 0.5, shared)
    assert found.value == pytest.approx(0.5)
    assert found.high - found.low < 1e-9
    with pytest.raises(ConfigurationError, match="match them by seed"):
        paired_difference(shared, shared[:3])


def test_a_difference_of_infinities_is_counted_not_raised() -> None:
    """inf - inf is not finite; the other pairs still count."""
    a, b = np.array([1.0, np.inf, 2.0]), np.array([0.0, np.inf, 1.0])
    assert paired_difference(a, b).left_out == 1


def test_slopes_equal_a_least_squares_fit_per_seed() -> None:
    """Against numpy's polynomial fit, with holes."""
    rng = np.random.default_rng(3)
    x = np.array([2.0, 5.0, 10.0, 20.0])
    y = rng.normal(size=(6, 4))
    y[2, 1] = np.nan
    y[3, 3] = -np.inf
    y[4, 1:] = np.nan
    found = slopes(x, y)
    for k, row in enumerate(y):
        kept = np.isfinite(row)
        if kept.sum() < 2:
            assert math.isnan(found[k])
        else:
            assert found[k] == pytest.approx(np.polyfit(x[kept], row[kept], 1)[0], rel=1e-9)


def test_a_seed_whose_gradient_is_gone_has_no_slope() -> None:
    """A line that falls to -inf is left out and counted, not flattened to what is left of it."""
    x = np.array([1.0, 2.0, 3.0])
    steep, gone, short = -4 * x, np.array([-1.0, -2.0, -np.inf]), np.array([1.0, np.nan, np.nan])
    found = slope_interval(x, np.array([steep, steep + 1, gone, short]))
    assert (found.value, found.seeds, found.left_out) == (-4.0, 2, 2)
    assert str(slope_interval(x, gone[None])) == "no finite value (1 not finite)"


def test_share_interval_is_wilsons() -> None:
    """Against the closed form; 0 of n is not exactly 0, and no trials have no share."""
    z, n, p = 1.959963984540054, 10, 0.3
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = share_interval(3, 10)
    assert (found.low, found.high) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert share_interval(0, 10).high > 0.2
    assert share_interval(0, 0).seeds == 0


def test_a_falling_map_swaps_the_bounds() -> None:
    """1/x of [2, 4] is [1/4, 1/2]."""
    found = Interval(3.0, 2.0, 4.0, 5).map(lambda x: 1 / x)
    assert (found.low, found.high) == (0.25, 0.5)
