"""A contest: every head at every setting, one of them the baseline for the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame, concat

from experiments.core.interval import Interval
from experiments.reporting.intervals import mean_interval, share_interval
from experiments.studies.contest.duels import Duel, duel, values_of
from experiments.studies.contest.heads import HEAD, baseline_of, with_heads
from experiments.studies.contest.tuning import Arm, arms_of
from experiments.studies.reading.family import MARGIN, chance_of
from experiments.studies.reading.tuning import LR

ACCURACY, STEPS = "test/accuracy", "trainer.max_steps"
#: a network is trained when it has come this share of the way from chance to the best arm's accuracy
TRAINED = 0.8
#: the same share for the accuracy that speed is measured to
ARRIVED = 0.9
#: accuracies are compared to this many digits: 81 right of 270 is not below 0.1 + 0.2
DIGITS = 12


@dataclass(frozen=True)
class Contest:
    """All heads at all settings of one sweep.

    Args:
        rows: the cells that are over, with their heads.
        arms: every head at every setting.
        baseline: the head that the others are measured against; None without a cross-entropy.
        chance: accuracy of guessing; NaN where unknown.
    """

    rows: DataFrame
    arms: Sequence[Arm]
    baseline: str | None
    chance: float

    @staticmethod
    def of(results: DataFrame) -> "Contest | None":
        """The contest that a results table holds; None if no cell is over."""
        rows = with_heads(results)
        if not len(rows):
            return None
        chance = chance_of(rows.iloc[0].to_dict())
        return Contest(rows, arms_of(rows), baseline_of(rows), chance)

    @cached_property
    def heads(self) -> list[str]:
        """All heads, the baseline first."""
        names: list[str] = self.rows[HEAD].drop_duplicates().tolist()
        return sorted(names, key=lambda name: (name != self.baseline, name))

    @property
    def rivals(self) -> list[str]:
        """All heads but the baseline."""
        return [head for head in self.heads if head != self.baseline]

    @cached_property
    def rates(self) -> list[float]:
        """Every learning rate that was tried, ascending."""
        if LR not in self.rows:
            return []
        return sorted(float(rate) for rate in self.rows[LR].dropna().unique())

    @cached_property
    def contested(self) -> list[Arm]:
        """The arms of settings at which at least one head learns; all, where chance is unknown.

        A setting at which no head learns is an uninteresting tie, and would dilute every mean.
        """
        learnt = {arm.setting for arm in self.arms if self.learns(arm)}
        return [arm for arm in self.arms if arm.setting in learnt or np.isnan(self.chance)]

    @cached_property
    def given(self) -> str:
        """How long all networks trained, in words; empty where that is unknown.

        The verdict has to say it: a network that has learnt nothing by then may learn later.
        """
        steps = self.rows[STEPS].unique() if STEPS in self.rows else []
        return f" in {steps[0]:,.0f} steps" if len(steps) == 1 and steps[0] > 0 else ""

    def learns(self, arm: Arm) -> bool:
        """Whether at its best rate the arm's mean test accuracy is clearly above chance."""
        accuracy = values_of(arm.rows, ACCURACY)
        return len(accuracy) > 0 and bool(accuracy.mean() > self.nothing_learnt)

    @cached_property
    def trained_from(self) -> float:
        """The test accuracy from which a network counts as trained; NaN where chance is unknown."""
        return self._of_the_way(TRAINED)

    @cached_property
    def target(self) -> float:
        """The accuracy that speed is measured to, a round number; NaN where chance is unknown."""
        return round(self._of_the_way(ARRIVED), 2)

    def _of_the_way(self, share: float) -> float:
        """The accuracy at a share of the way from chance to the best arm's."""
        means = [values_of(arm.rows, ACCURACY).mean() for arm in self.contested if len(arm.rows)]
        best = max((mean for mean in means if np.isfinite(mean)), default=np.nan)
        return round(float(self.chance + share * (best - self.chance)), DIGITS)

    def both_train(self, rival: str) -> list[str]:
        """The settings at which every network of the baseline and of the rival is trained."""
        sound = {
            (arm.head, arm.setting)
            for arm in self.contested
            if bool((values_of(arm.rows, ACCURACY) >= self.trained_from).all())
        }
        settings = dict.fromkeys(arm.setting for arm in self.contested)
        return [s for s in settings if {(self.baseline, s), (rival, s)} <= sound]

    def duel(self, rival: str, metric: str, rate: float | None = None) -> Duel:
        """The baseline against a rival at all contested settings, at own rates or at a common one."""
        return duel(self.contested, str(self.baseline), rival, metric, rate)

    def fair_duel(self, rival: str, metric: str) -> Duel:
        """At own rates and only where both train: what they differ in besides that."""
        where = set(self.both_train(rival))
        arms = [arm for arm in self.contested if arm.setting in where]
        return duel(arms, str(self.baseline), rival, metric)

    def ended_below(self, head: str, accuracy: float) -> Float64[ndarray, " seeds"]:
        """For every seed: the share of a head's networks that diverged or ended below an accuracy."""
        arms = [arm.rows for arm in self.contested if arm.head == head]
        if not arms or np.isnan(accuracy):
            return np.empty(0)
        rows = concat(arms)
        below = rows.assign(below=~(values_of(rows, ACCURACY) >= accuracy))
        return np.asarray(below.groupby("seed")["below"].mean(), np.float64)

    def share_below(self, head: str, accuracy: float) -> Interval:
        """The same over all seeds; Wilson's interval where each seed has one network, a yes or no."""
        seeds = self.ended_below(head, accuracy)
        networks = sum(len(arm.rows) for arm in self.contested if arm.head == head)
        if networks > len(seeds):
            return mean_interval(seeds)
        return share_interval(int(seeds.sum()), len(seeds))

    @property
    def nothing_learnt(self) -> float:
        """The test accuracy below which a network has learnt nothing."""
        return round(self.chance + MARGIN, DIGITS)
