"""To which depth networks train that differ in depth and seed alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.reporting.configurations import text
from experiments.reporting.intervals import mean_interval
from experiments.studies.reading.family import DEPTH
from experiments.theory import StartingPoint

ACCURACY = "train/accuracy"
#: the depth at which the accuracy falls below this is the end of what can be trained
LEVEL = 0.5


def depth_at_level(
    depths: Sequence[int | float], accuracy: Float64[ndarray, " depths"], level: float = LEVEL
) -> float:
    """Where the accuracy first falls below the level, between two measured depths by a straight line.

    Returns:
        ``inf`` if it never does, ``-inf`` if it is below already at the smallest depth.

    Example:
        >>> depth_at_level([10, 20, 40], np.array([0.9, 0.7, 0.3]))
        30.0
        >>> depth_at_level([10, 20], np.array([0.9, 0.7])), depth_at_level([10], np.array([0.1]))
        (inf, -inf)
    """
    below = np.flatnonzero(~(accuracy >= level))  # what is not a number does not train
    if not len(below):
        return float("inf")
    k = int(below[0])
    if k == 0:
        return float("-inf")
    lower = accuracy[k] if np.isfinite(accuracy[k]) else 0.0
    share = (accuracy[k - 1] - level) / (accuracy[k - 1] - lower)
    return float(depths[k - 1] + share * (depths[k] - depths[k - 1]))


def bracket_at_level(
    depths: Sequence[int | float], accuracy: Float64[ndarray, " depths"], level: float = LEVEL
) -> tuple[float, float]:
    """The two measured depths between which the accuracy first falls below the level.

    A straight line between them has digits that the measurement has not; this is what is known.

    Returns:
        From the greatest depth to ``inf`` if it never does, from 0 to the smallest if it is below there.

    Example:
        >>> bracket_at_level([10, 20, 40], np.array([0.9, 0.7, 0.3]))
        (20.0, 40.0)
        >>> bracket_at_level([10, 20], np.array([0.9, 0.7])), bracket_at_level([10], np.array([0.1]))
        ((20.0, inf), (0.0, 10.0))
    """
    below = np.flatnonzero(~(accuracy >= level))
    if not len(below):
        return float(depths[-1]), float("inf")
    k = int(below[0])
    return (float(depths[k - 1]) if k else 0.0), float(depths[k])


@dataclass(frozen=True)
class Reach:
    """Networks that differ in depth and seed alone.

    Args:
        label: what they have in common and others have not.
        rows: their rows of the results, without failed cells.
        start: where they start on the phase diagram, if theory knows.
    """

    label: str
    rows: DataFrame
    start: StartingPoint | None

    @property
    def activation(self) -> str:
        return str(self.rows["activation"].iloc[0])

    @property
    def other(self) -> str:
        """The initializer, unless its scale is the axis."""
        name = str(self.rows["initializer"].iloc[0])
        return "" if name in ("gaussian", "critical") else name

    @property
    def family(self) -> str:
        """Activation, and initializer where its scale is not the axis."""
        return " · ".join(text(name) for name in (self.activation, self.other) if name)

    @property
    def sigma_w(self) -> float:
        """sqrt(n Var W); NaN where theory does not know the initializer."""
        return float("nan") if self.start is None else self.start.sigma_w

    @property
    def critical_variance(self) -> float | None:
        """The critical sigma_w^2 at these biases; None where there is none, or theory does not know."""
        known = None if self.start is None else self.start.critical_sigma_w
        return None if known is None else known**2

    @property
    def place(self) -> str:
        """Where it lies on the phase diagram, in words."""
        return self.label if self.start is None else f"σ_w² = {self.sigma_w**2:.4g}"

    @cached_property
    def depths(self) -> list[int]:
        return sorted(self.rows[DEPTH].unique().tolist())

    @cached_property
    def accuracy(self) -> DataFrame:
        """Training accuracy, one row a seed, one column a depth; 0 where the run diverged."""
        rows = self.rows.assign(
            **{ACCURACY: self.rows[ACCURACY].where(self.rows["status"] == "finished", 0.0)}
        )
        wide: DataFrame = rows.pivot_table(index="seed", columns=DEPTH, values=ACCURACY)
        return wide

    @cached_property
    def _measured(self) -> list[tuple[list[int], Float64[ndarray, " depths"]]]:
        """Each seed's depths and accuracies."""
        columns = self.accuracy.columns.to_list()
        found = []
        for row in self.accuracy.to_numpy(np.float64):
            there = np.isfinite(row)
            found.append(([d for d, have in zip(columns, there, strict=True) if have], row[there]))
        return found

    @cached_property
    def ends(self) -> Float64[ndarray, " seeds"]:
        """The depth at which each seed's accuracy falls below the level, +-inf beyond the range."""
        ends = [depth_at_level(depths, row) if depths else np.nan for depths, row in self._measured]
        return np.array(ends, np.float64)

    @cached_property
    def bracket(self) -> Interval:
        """The end of training with what the depths that were measured leave open.

        Each seed ends between two of them; the bounds are those of the mean of the lower ones over
        seeds and of the mean of the upper ones.
        """
        pairs = [bracket_at_level(depths, row) for depths, row in self._measured if depths]
        lower, upper = np.array(pairs, np.float64).reshape(-1, 2).T
        low = mean_interval(lower).low
        high = mean_interval(upper).high if np.isfinite(upper).all() else np.inf
        high = np.nan if np.isnan(low) else high
        return Interval(self.end.value, low, high, len(pairs))

    @cached_property
    def end(self) -> Interval:
        """Mean over seeds; a seed whose end lies beyond the range counts as the range's edge."""
        ends = self.ends[~np.isnan(self.ends)]
        return mean_interval(np.clip(ends, min(self.depths), max(self.depths)))

    @property
    def beyond(self) -> int:
        """Seeds that still train at the greatest depth: the mean is then a lower bound."""
        return int(np.isposinf(self.ends).sum())

    @property
    def short(self) -> int:
        """Seeds that do not train at the smallest depth: the mean is then an upper bound."""
        return int(np.isneginf(self.ends).sum())

    @property
    def exact(self) -> bool:
        """Whether every seed's end lies within the depths that were measured."""
        return bool(len(self.ends)) and bool(np.isfinite(self.ends).all())

    @property
    def diverges(self) -> bool:
        """Whether the length map has no fixed point, so that there are no depth scales."""
        return self.start is not None and self.start.point.diverges

    @property
    def xi(self) -> float:
        """xi_c; NaN where theory has no fixed point."""
        return float("nan") if self.start is None or self.diverges else self.start.point.xi_c

    @property
    def in_units(self) -> Interval:
        """The end of training in units of xi_c."""
        return self.end.map(lambda depth: depth / self.xi)

    @property
    def bracket_in_units(self) -> Interval:
        """The bracket in units of xi_c."""
        return self.bracket.map(lambda depth: depth / self.xi)

    def __str__(self) -> str:
        notes = []
        if self.beyond:
            notes.append(
                f"{self.beyond} of {len(self.ends)} seeds train at depth {max(self.depths)}"
            )
        if self.short:
            notes.append(f"{self.short} of {len(self.ends)} not even at depth {min(self.depths)}")
        return f"{self.end}" + (f" ({'; '.join(notes)})" if notes else "")
