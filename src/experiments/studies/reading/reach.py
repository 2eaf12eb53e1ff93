"""Networks that differ only in depth and seed: up to which depth do they train?"""

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

TRAIN_ACCURACY = "train/accuracy"
#: the depth at which the accuracy falls below this is the end of what can be trained
LEVEL = 0.5


def depth_at_level(
    depths: Sequence[int | float], accuracy: Float64[ndarray, " depths"], level: float = LEVEL
) -> float:
    """Where the accuracy first falls below the level, by a straight line between two measured depths.

    Returns:
        ``inf`` if it never does, ``-inf`` if it already is at the smallest depth.

    Example:
        >>> depth_at_level([10, 20, 40], np.array([0.9, 0.7, 0.3]))
        30.0
        >>> depth_at_level([10, 20], np.array([0.9, 0.7])), depth_at_level([10], np.array([0.1]))
        (inf, -inf)
    """
    below = np.flatnonzero(~(accuracy >= level))  # NaN counts as below
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

    This much is known; the straight line of ``depth_at_level`` is a guess between the two.

    Returns:
        The greatest depth and ``inf`` if it never does, 0 and the smallest if it already is there.

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
        label: the settings that tell them from the other networks.
        rows: their rows of the results, without failed cells.
        start: where they start on the phase diagram; None if theory does not know.
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
            **{
                TRAIN_ACCURACY: self.rows[TRAIN_ACCURACY].where(
                    self.rows["status"] == "finished", 0.0
                )
            }
        )
        wide: DataFrame = rows.pivot_table(index="seed", columns=DEPTH, values=TRAIN_ACCURACY)
        return wide

    @cached_property
    def _measured(self) -> list[tuple[list[int], Float64[ndarray, " depths"]]]:
        """Each seed's depths and its accuracies there."""
        seeds = [row.dropna() for _, row in self.accuracy.iterrows()]
        return [(row.index.to_list(), row.to_numpy(np.float64)) for row in seeds]

    @cached_property
    def ends(self) -> Float64[ndarray, " seeds"]:
        """The depth at which each seed's accuracy falls below the level, +-inf beyond the range."""
        ends = [depth_at_level(depths, row) if depths else np.nan for depths, row in self._measured]
        return np.array(ends, np.float64)

    @cached_property
    def bracket(self) -> Interval:
        """The end of training, with bounds that do not assume a straight line between two depths.

        Each seed's end lies between two measured depths. The lower bound is that of the mean over seeds
        of the smaller ones, the upper bound that of the mean of the greater ones.
        """
        pairs = [bracket_at_level(depths, row) for depths, row in self._measured if depths]
        lower, upper = np.array(pairs, np.float64).reshape(-1, 2).T
        low = mean_interval(lower).low
        high = mean_interval(upper).high if np.isfinite(upper).all() else np.inf
        return Interval(self.end.value, low, np.nan if np.isnan(low) else high, len(pairs))

    @cached_property
    def end(self) -> Interval:
        """Mean over seeds of ``ends_in_range``."""
        return mean_interval(self.ends_in_range[~np.isnan(self.ends)])

    @cached_property
    def ends_in_range(self) -> Float64[ndarray, " seeds"]:
        """Each seed's end; the smallest or greatest depth measured where it lies beyond these."""
        return np.asarray(np.clip(self.ends, min(self.depths), max(self.depths)), np.float64)

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
