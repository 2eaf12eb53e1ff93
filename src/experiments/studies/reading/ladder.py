"""Networks of many depths at one price, each at its best learning rate: which depth is best?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame, Series

from experiments.core.interval import Interval
from experiments.reporting.configurations import configurations, text, varying_axes
from experiments.reporting.intervals import mean_interval, paired_difference
from experiments.studies.reading.family import DEPTH, PAIR
from experiments.studies.reading.grouping import without_first
from experiments.studies.reading.tuning import CHOSEN_BY, LR, Tuned, tuned

PARAMETERS = "model.parameters"
TEST = "test/loss"


@dataclass(frozen=True)
class Ladder:
    """Networks that differ in depth, learning rate and seed alone.

    Args:
        label: activation, initializer and further axes.
        price: what all depths share: their width, or their number of parameters.
        rungs: depth -> its networks at all learning rates, depths ascending.
    """

    label: str
    price: str
    rungs: Mapping[int, Tuned]

    @property
    def activation(self) -> str:
        return self.label.split(" · ")[0]

    @property
    def start(self) -> str:
        """Initializer and further axes; what two ladders share that differ in their activation."""
        return without_first(self.label, 1)

    @property
    def depths(self) -> list[int]:
        return list(self.rungs)

    @cached_property
    def best(self) -> int | None:
        """The best of all depths."""
        return self.best_of(self.depths)

    def best_of(self, depths: Sequence[int]) -> int | None:
        """The depth with the least mean validation loss among those that lose no more seeds."""
        lost, loss = {}, {}
        for depth in depths:
            values = self.rungs[depth].at_best(CHOSEN_BY)
            finite = values[np.isfinite(values)]
            if len(finite):
                lost[depth], loss[depth] = len(values) - len(finite), float(finite.mean())
        return min(loss, key=lambda depth: (lost[depth], loss[depth])) if loss else None

    def worse(self, depth: int) -> Interval:
        """Test loss of a depth minus that of the best depth, paired by seed."""
        return mean_interval(np.empty(0)) if self.best is None else self.gap(depth, self.best)

    def gap(self, depth: int, other: int) -> Interval:
        """Test loss of a depth minus that of another, paired by seed; infinite if it loses all seeds."""
        return mean_difference(self.by_seed(depth), self.by_seed(other))

    def tells_apart(self, depth: int) -> bool:
        """Whether a depth is certainly worse: ``worse`` is clearly above 0."""
        gap = self.worse(depth)
        return depth != self.best and gap.decides and gap.low > 0

    @cached_property
    def tied(self) -> list[int]:
        """Depths that are not certainly worse than the best, which is one of them."""
        if self.best is None:
            return []
        return [depth for depth in self.depths if not self.tells_apart(depth)]

    def test(self, depth: int) -> Float64[ndarray, " seeds"]:
        return self.rungs[depth].at_best(TEST)

    def by_seed(self, depth: int) -> Series:
        """Test losses of a depth."""
        rung = self.rungs[depth]
        return Series(self.test(depth), index=rung.rows["seed"].to_numpy())


def mean_difference(here: Series, there: Series) -> Interval:
    """Mean of here - there over the seeds of both; infinite if here has lost them all.

    >>> print(mean_difference(Series([3.0, 4.0, 5.5]), Series([1.0, 2.0, 3.0])))
    2.17 [1.45, 2.88]
    """
    here, there = here.align(there, join="inner")
    if len(here) and not np.isfinite(here).any() and np.isfinite(there).all():
        return Interval(np.inf, np.inf, np.inf, len(here))
    return paired_difference(here.to_numpy(np.float64), there.to_numpy(np.float64))


def ladders_of(results: DataFrame) -> list[Ladder]:
    """One for every price and combination of further axes, from rows of cells that are over."""
    others = [key for key in varying_axes(results) if key not in (*PAIR, DEPTH, LR, PARAMETERS)]
    rows = results.assign(_price=[price_of(row) for row in results.to_dict("records")])
    ladders = []
    for group in configurations(rows, [*PAIR, *others]):
        for price, same in group.rows.groupby("_price", sort=False):
            rungs = {int(depth): tuned(part) for depth, part in same.groupby(DEPTH, sort=True)}
            ladders.append(Ladder(group.label, str(price), rungs))
    return sorted(ladders, key=lambda ladder: not ladder.price.startswith("equal width"))


def price_of(row: Mapping[str, object]) -> str:
    """What networks of all depths share: the width or the number of parameters, in words.

    >>> price_of({"model.width": 64}), price_of({"model.width": 64, "model.parameters": 12000.0})
    ('equal width (64)', 'equal parameters (12000)')
    """
    wanted = row.get(PARAMETERS)
    if isinstance(wanted, int | float) and wanted == wanted:
        return f"equal parameters ({wanted:.0f})"
    return f"equal width ({text(row['model.width'])})"
