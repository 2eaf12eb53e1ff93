"""An interval's words, and what may be concluded from it."""

import math

import pytest

from experiments.core.interval import Interval


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(2.0, 1.0, 3.0, 9), "2 [1, 3]"),
        (Interval(2.0, 1.0, 3.0, 9, left_out=1), "2 [1, 3] (1 not finite)"),
        (Interval(2.0, math.nan, math.nan, 1), "2 (one seed, no interval)"),
        (Interval(2.0, math.nan, math.nan, 5), "2 (5 seeds, no interval)"),
        (Interval(math.nan, math.nan, math.nan, 0, left_out=4), "no finite value (4 not finite)"),
        (Interval(math.nan, math.nan, math.nan, 0), "no value"),
        (Interval(math.nan, math.nan, math.nan, 1), "no value (one seed, no interval)"),
    ],
)
def test_the_text_says_how_many_seeds_there_were(interval, text) -> None:
    """Five seeds without bounds, as a median has them, are not one seed."""
    assert str(interval) == text


@pytest.mark.parametrize(
    ("low", "high", "inside"),
    [(0.5, 2.0, True), (0.9, 1.1, True), (2.0, 3.0, False), (0.0, 0.5, False), (1.0, 3.0, None)],
)
def test_an_interval_lies_inside_outside_or_neither(low, high, inside) -> None:
    """The ends belong to the range; of two seeds nothing is concluded."""
    assert Interval(1.0, 0.9, 1.1, 3).within(low, high) is inside
    assert Interval(1.0, 0.9, 1.1, 2).within(low, high) is None


def test_a_falling_function_swaps_the_bounds() -> None:
    """1/x of [2, 4] is [1/4, 1/2]; unknown bounds stay unknown."""
    found = Interval(3.0, 2.0, 4.0, 7, left_out=1).map(lambda x: 1 / x)
    assert (found.low, found.high, found.seeds, found.left_out) == (0.25, 0.5, 7, 1)
    assert not Interval(3.0, math.nan, math.nan, 1).map(lambda x: 1 / x).known
