"""Duels: two heads seed by seed, at every setting, at their own rates or at a common one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.reporting.intervals import mean_interval
from experiments.studies.contest.tuning import Arm


@dataclass(frozen=True)
class Duel:
    """A metric of one head, the baseline, minus that of another, the rival.

    Args:
        baseline: name of the head that is subtracted from.
        rival: name of the head that is subtracted.
        differences: setting -> baseline minus rival for every seed that both have, by seed.
    """

    baseline: str
    rival: str
    differences: Mapping[str, Mapping[int, float]]

    def at(self, setting: str) -> Interval:
        """Mean over seeds at one setting."""
        return mean_interval(np.array(list(self.differences[setting].values()), np.float64))

    @cached_property
    def by_seed(self) -> dict[int, float]:
        """Mean over settings, for every seed that has all settings."""
        settings = list(self.differences.values())
        common = set.intersection(*map(set, settings)) if settings else set()
        return {s: float(np.mean([setting[s] for setting in settings])) for s in sorted(common)}

    @property
    def per_seed(self) -> Float64[ndarray, " seeds"]:
        """The same as an array, in the order of the seeds."""
        return np.array(list(self.by_seed.values()), np.float64)

    @cached_property
    def overall(self) -> Interval:
        """Mean over settings and seeds, with an interval over seeds."""
        return mean_interval(self.per_seed)

    def above(self, other: "Duel") -> Interval:
        """By how much this duel's difference exceeds another's, paired by seed."""
        both = [s for s in self.by_seed if s in other.by_seed]
        excess = [self.by_seed[s] - other.by_seed[s] for s in both]
        return mean_interval(np.array(excess, np.float64))

    def settings_where(self, low: float, high: float) -> list[str]:
        """The settings whose whole interval lies inside [low, high]."""
        return [setting for setting in self.differences if self.at(setting).within(low, high)]


def duel(
    arms: Sequence[Arm], baseline: str, rival: str, metric: str, rate: float | None = None
) -> Duel:
    """Both heads at every setting at which both were trained.

    Args:
        arms: from ``arms_of``.
        baseline: a head's name.
        rival: another's.
        metric: a column of the results.
        rate: a learning rate that both must use; None lets each have its own best.
    """
    baselines = {arm.setting: arm for arm in arms if arm.head == baseline}
    differences = {}
    for arm in arms:
        if arm.head == rival and arm.setting in baselines:
            sides = (baselines[arm.setting], arm)
            a, b = (side.rows if rate is None else side.at(rate) for side in sides)
            by_seed = _paired(a, b, metric)
            if by_seed:
                differences[arm.setting] = by_seed
    return Duel(baseline, rival, differences)


def values_of(rows: DataFrame, metric: str) -> Float64[ndarray, " seeds"]:
    """A column as numbers; empty where it was not measured."""
    if metric not in rows:
        return np.empty(0)
    return np.asarray(rows[metric].to_numpy(np.float64, na_value=np.nan))


def seed_means(rows: DataFrame, metric: str) -> Float64[ndarray, " seeds"]:
    """A column's mean over the networks of each seed, by seed: networks of one seed are one draw.

    NaN where a network of the seed was not measured: intervals then leave the seed out and count it.

    >>> rows = DataFrame({"seed": [1, 0, 1], "loss": [2.0, 1.0, 4.0]})
    >>> seed_means(rows, "loss")
    array([1., 3.])
    """
    values, seeds = values_of(rows, metric), rows["seed"].to_numpy()
    if not len(values):
        return values
    return np.array([values[seeds == seed].mean() for seed in np.unique(seeds)], np.float64)


def _paired(a: DataFrame, b: DataFrame, metric: str) -> dict[int, float]:
    """a - b for every seed that both have."""
    sides = [dict(zip(r["seed"].tolist(), values_of(r, metric), strict=False)) for r in (a, b)]
    with np.errstate(invalid="ignore"):
        return {s: float(sides[0][s] - sides[1][s]) for s in sides[0] if s in sides[1]}
