"""A number with its interval, the basis of every verdict."""

import math
from collections.abc import Callable
from dataclasses import dataclass

#: smallest number of seeds for a decision: two say little about how far seeds lie apart
DECIDING = 3


@dataclass(frozen=True)
class Interval:
    """An estimate over seeds, its lower and upper bound, and the number of seeds.

    With too few seeds (one for a mean, five for a median) there is no interval: both bounds are then NaN,
    and the text says so. A variance of one seed has no value either.

    Args:
        value: the estimate.
        low: lower bound.
        high: upper bound.
        seeds: number of finite values used.
        left_out: number of values that were not used because they are not finite.

    Example:
        >>> print(Interval(0.912, 0.9012, 0.9233, 10))
        0.912 [0.901, 0.923]
        >>> print(Interval(3.0, math.nan, math.nan, 1, left_out=2))
        3 (one seed, no interval; 2 not finite)
    """

    value: float
    low: float
    high: float
    seeds: int
    left_out: int = 0

    def map(self, f: Callable[[float], float]) -> "Interval":
        """Apply a monotone ``f`` to all three numbers; a decreasing ``f`` swaps the bounds.

        >>> print(Interval(-2.0, -3.0, -1.0, 5).map(lambda x: 10 ** -x))
        100 [10, 1e+03]
        """
        ends = (f(self.low), f(self.high))
        low, high = (min(ends), max(ends)) if self.known else ends
        return Interval(f(self.value), low, high, self.seeds, self.left_out)

    @property
    def known(self) -> bool:
        """Whether there are bounds."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def decides(self) -> bool:
        """Whether there are bounds from enough seeds for a decision."""
        return self.known and self.seeds >= DECIDING

    def within(self, low: float, high: float) -> bool | None:
        """Whether the whole interval lies inside (True) or outside (False) of [low, high].

        None if it contains an end of [low, high], or if there are no bounds or fewer than three seeds.

        >>> x = Interval(1.0, 0.9, 1.1, 10)
        >>> x.within(0.5, 2.0), x.within(2.0, 3.0), x.within(1.0, 3.0)
        (True, False, None)
        >>> print(Interval(1.0, 0.9, 1.1, 2).within(0.5, 2.0))
        None
        """
        if not self.decides:
            return None
        if low <= self.low and self.high <= high:
            return True
        return False if self.high < low or self.low > high else None

    @property
    def note(self) -> str:
        """What the bounds leave unsaid: of how many seeds there are none, and what was left out.

        >>> Interval(3.0, math.nan, math.nan, 4, left_out=1).note
        '4 seeds, no interval; 1 not finite'
        """
        lost = f"{self.left_out} not finite" if self.left_out else ""
        if self.seeds == 0:
            return f"no finite value ({lost})" if lost else "no value"
        seeds = "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
        return "; ".join(filter(None, ("" if self.known else f"{seeds}, no interval", lost)))

    def __str__(self) -> str:
        if self.seeds == 0:
            return self.note
        value = "no value" if math.isnan(self.value) else f"{self.value:.3g}"
        bounds = f" [{self.low:.3g}, {self.high:.3g}]" if self.known else ""
        return value + bounds + (f" ({self.note})" if self.note else "")
