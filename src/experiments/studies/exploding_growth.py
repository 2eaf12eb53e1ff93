"""How a gradient grows in an exploding network, where floats overflow, and how training ends.

Layer for layer the norm of a batch's gradient grows by a factor between two bounds: that of a single example
at this width (``reading.one_example``), and mean field's sqrt(chi). The log of a mean over examples is at
least the mean of their logs, and on average at most the log of the expectation. In a ReLU network the
examples become parallel and the factor is near the lower bound; in a chaotic tanh network they differ, and
the fluctuations partly average out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.errors import ConfigurationError
from experiments.core.interval import Interval
from experiments.reporting.intervals import share_interval, slope_interval
from experiments.studies.reading.family import DEPTH, MARGIN, PAIR, Family, families_of
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.one_example import kept_by_one
from experiments.studies.reading.rooms import activation_of
from experiments.studies.reading.start import start_of
from experiments.studies.reading.tuning import LR
from experiments.studies.reading.verdicts import over

#: log10 of the largest numbers of three formats
LARGEST = {"float16": math.log10(65504.0), "float32": 38.531839, "float64": 308.254716}
#: a factor a layer above this explodes
EXPLODES = 1.01


@dataclass(frozen=True)
class Explosion:
    """One combination of the sweep.

    Args:
        family: its rows at one learning rate, for the gradients before training.
        trained: its rows at all learning rates.
    """

    family: Family
    trained: DataFrame

    @property
    def label(self) -> str:
        """The family's label without "gaussian", the plain choice of its weights."""
        parts = self.family.label.replace("sigma w ", "σ_w ").split(" · ")
        return " · ".join(part for part in parts if part != "gaussian") or self.family.label

    @property
    def activation(self) -> str:
        return self.family.activation

    @cached_property
    def experiment(self) -> str:
        """The label that all combinations of one experiment share: see ``independent``."""
        row = self.family.rows.iloc[0].to_dict()
        z = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)
        try:
            activation = activation_of(row)
        except ConfigurationError:  # not an activation of this package
            return self.label
        scales = torch.equal(activation(2 * z), 2 * activation(z))
        if not scales or row.get("initializer.sigma_b") != 0:
            return self.label
        return " · ".join(part for part in self.label.split(" · ") if not part.startswith("σ_w"))

    @cached_property
    def explodes(self) -> bool:
        """Whether the gradient grows towards the input, by theory or, failing that, as measured."""
        known = self.upper if np.isfinite(self.upper) else self.factor.value
        return bool(known > EXPLODES)

    # -- the factor a layer ------------------------------------------------------------------------

    @cached_property
    def growth(self) -> Float64[ndarray, "seeds depths"]:
        """log10 of the first layer's gradient norm over the output's."""
        rows = self.family.rows
        rows = rows.assign(growth=rows["first"] - rows["output"])
        wide = rows.pivot_table(index="seed", columns=DEPTH, values="growth", dropna=False)
        return np.asarray(wide, np.float64)

    @cached_property
    def factor(self) -> Interval:
        """By how much one more layer multiplies the growth, fitted over all depths."""
        slope = slope_interval(np.array(self.family.depths, np.float64), self.growth)
        return slope.map(lambda rise: float(10.0**rise))

    @cached_property
    def upper(self) -> float:
        """sqrt(chi): mean field, infinite width; NaN where theory has nothing to go on."""
        return math.nan if self.family.prediction is None else self.family.prediction.limit

    @cached_property
    def lower(self) -> float:
        """sqrt(chi) exp(-V / 4): one example at this width."""
        row = self.family.rows.iloc[0].to_dict()
        start = start_of(row)
        if self.family.prediction is None or start is None:
            return math.nan
        return kept_by_one(self.upper, activation_of(row), start.point.q, int(row["model.width"]))

    @cached_property
    def over_mean_field(self) -> Interval:
        """The measured factor over that of the same fit through mean field's norms."""
        if self.family.prediction is None or len(self.family.depths) < 2:
            return Interval(math.nan, math.nan, math.nan, 0)
        x = np.array(self.family.depths, np.float64)
        y = [self.family.prediction.log10_profile(depth)[0] for depth in self.family.depths]
        rise = float(np.polyfit(x, y, 1)[0])
        return self.factor.map(lambda factor: factor / 10.0**rise)

    @property
    def short_of_mean_field(self) -> float:
        """By how many decades the mean over seeds lies below mean field at the greatest depth."""
        if self.family.first_predicted is None:
            return math.nan
        return float(self.family.first_predicted[-1]) - _mean(self.family.by_depth("first")[-1])

    # -- overflow ----------------------------------------------------------------------------------

    def overflows_at(self, largest: float) -> Interval:
        """The depth at which the fit passes a number known by its log10.

        The bounds come from turning the fitted line about its centre by the factor's interval.
        """
        y = np.array([_mean(seeds) for seeds in self.family.by_depth("first")])
        known = np.isfinite(y)
        if known.sum() < 2:
            return Interval(math.nan, math.nan, math.nan, 0)
        x = np.array(self.family.depths, np.float64)[known].mean()
        return self.factor.map(lambda factor: _passes(x, float(y[known].mean()), factor, largest))

    def predicted_overflow(self, largest: float, factor: float) -> float:
        """The same from theory: from the predicted norm at the least depth, by a given factor a layer."""
        predicted = self.family.first_predicted
        if predicted is None or not np.isfinite(predicted[0]):
            return math.nan
        return _passes(float(self.family.depths[0]), float(predicted[0]), factor, largest)

    def lost(self, depth: int) -> tuple[int, int]:
        """How many seeds' floats do not hold the first layer's gradient, and the number of seeds."""
        in_floats, true = self.family.at(depth, "first_float"), self.family.at(depth, "first")
        recorded = ~np.isnan(true) | ~np.isnan(in_floats)
        return int((~np.isfinite(in_floats[recorded])).sum()), int(recorded.sum())

    @cached_property
    def bracket(self) -> tuple[int, int | None] | None:
        """The last depth at which most seeds' floats hold the gradient, and the next one.

        The second is None if they do at every depth; the whole is None if nothing was recorded.
        """
        counts = {depth: self.lost(depth) for depth in self.family.depths}
        counts = {depth: (lost, seeds) for depth, (lost, seeds) in counts.items() if seeds}
        if not counts:
            return None
        overflow = next((d for d, (lost, seeds) in counts.items() if 2 * lost >= seeds), None)
        below = [d for d in counts if overflow is None or d < overflow]
        return max(below, default=0), overflow

    # -- training ----------------------------------------------------------------------------------

    def learns(self, depth: int) -> Interval:
        """Share of seeds that learn, at the rate at which most do; so chosen, it is rather too large."""
        chance = self.family.chance
        rows = self.trained[self.trained[DEPTH] == depth]
        if not chance > 0 or "val/accuracy" not in rows or not len(rows):
            return share_interval(0, 0)
        learnt = (rows["val/accuracy"] > chance + MARGIN) & (rows["status"] == "finished")
        rates = rows[LR] if LR in rows else rows["seed"] * 0
        best = learnt.groupby(rates).agg(["sum", "size"]).sort_values("sum").iloc[-1]
        return share_interval(int(best["sum"]), int(best["size"]))

    def diverges(self, depth: int) -> float:
        """Share of runs, over all learning rates, that ended in numbers that are not finite."""
        rows = self.trained[self.trained[DEPTH] == depth]
        return float((rows["status"] == "diverged").mean()) if len(rows) else math.nan


def explosions_of(results: DataFrame, ledger: DataFrame) -> list[Explosion]:
    """One for every combination of axes other than depth, seed and learning rate."""
    rows = over(results)
    one_rate = rows
    # the gradient before training is the same at all rates
    if LR in rows and rows[LR].notna().any():
        one_rate = rows.sort_values(LR).drop_duplicates([k for k in _setting(rows) if k != LR])
    explosions = []
    for family in families_of(one_rate, ledger):
        first = family.rows.iloc[0]
        others = [k for k in _setting(rows) if k not in (LR, DEPTH, "seed")]
        same = np.logical_and.reduce([
            (rows[k] == first[k]) | (rows[k].isna() & (first[k] != first[k])) for k in others
        ])  # fmt: skip
        explosions.append(Explosion(family, rows[same]))
    return explosions


def independent(explosions: Sequence[Explosion]) -> list[list[Explosion]]:
    """Groups that are one experiment at several scales of the weights.

    Where sigma(c z) = c sigma(z) and biases are 0, another sigma_w multiplies every gradient by a known
    power: with the same seeds only delta at the output differs.
    """
    return list(grouped(explosions, lambda e: e.experiment).values())


def _setting(rows: DataFrame) -> list[str]:
    """The columns that tell cells apart."""
    known = [*PAIR, DEPTH, "seed", LR]
    dotted = [str(k) for k in rows if "." in str(k) and rows[k].nunique(dropna=False) > 1]
    return [k for k in dict.fromkeys([*known, *dotted]) if k in rows]


def _mean(seeds: Float64[ndarray, " seeds"]) -> float:
    finite = seeds[np.isfinite(seeds)]
    return float(finite.mean()) if len(finite) else math.nan


def _passes(depth: float, log10: float, factor: float, largest: float) -> float:
    """Where a line through one point passes a height; it never does if it does not rise."""
    rise = math.log10(factor) if factor > 0 else math.nan
    if math.isnan(rise):
        return math.nan
    return max(depth + (largest - log10) / rise, 0.0) if rise > 1e-3 else math.inf
