"""What grows in an exploding network, and how it ends: one object for every combination of the sweep.

The norm of a batch's gradient grows by a factor between two, layer for layer: the one that a single example
keeps at this width (``reading.one_example``), and mean field's sqrt(chi). For the log of a mean over examples
is at least the mean of their logs, and on average at most the log of the expectation. Examples that a ReLU
network makes parallel share one direction and keep the lower end; in the chaos of a tanh network they
differ, and partly average out.
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
from experiments.studies.reading import (
    DEPTH,
    LR,
    MARGIN,
    PAIR,
    Family,
    activation_of,
    families,
    over,
    start_of,
)
from experiments.studies.reading.one_example import kept_by_one

#: log10 of the largest numbers of three formats
LARGEST = {"float16": math.log10(65504.0), "float32": 38.531839, "float64": 308.254716}
#: a factor a layer above this explodes
EXPLODES = 1.01


@dataclass(frozen=True)
class Explosion:
    """A family at one learning rate for its gradients, and its rows at all rates for its training."""

    family: Family
    trained: DataFrame

    @property
    def label(self) -> str:
        """The family's, without the plain law of its weights."""
        parts = self.family.label.replace("sigma w ", "σ_w ").split(" · ")
        return " · ".join(part for part in parts if part != "gaussian") or self.family.label

    @property
    def activation(self) -> str:
        return str(self.family.rows["activation"].iloc[0])

    @cached_property
    def experiment(self) -> str:
        """What this shares with all combinations that are the same experiment: see ``independent``."""
        row = self.family.rows.iloc[0].to_dict()
        z = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)
        try:
            activation = activation_of(row)
        except ConfigurationError:  # no room of the house: nothing is known of it
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
        """Of that growth for one more layer, fitted over all depths."""
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
        """The factor over that of the same fit through the dashed line; no bounds if unknown."""
        if self.family.prediction is None or len(self.family.depths) < 2:
            return Interval(math.nan, math.nan, math.nan, 0)
        x = np.array(self.family.depths, np.float64)
        y = [self.family.prediction.log10_profile(depth)[0] for depth in self.family.depths]
        rise = float(np.polyfit(x, y, 1)[0])
        return self.factor.map(lambda factor: factor / 10.0**rise)

    @property
    def short_of_mean_field(self) -> float:
        """Decades that the mean over seeds lies below the dashed line at the greatest depth."""
        if self.family.first_predicted is None:
            return math.nan
        found = self.family.by_depth("first")[-1]
        found = found[np.isfinite(found)]
        return float(self.family.first_predicted[-1] - found.mean()) if len(found) else math.nan

    # -- overflow ----------------------------------------------------------------------------------

    def overflows_at(self, largest: float) -> Interval:
        """The depth at which the fit passes a number known by its log10.

        The fit turns about its centre by the factor's interval.
        """
        y = np.array([_mean(seeds) for seeds in self.family.by_depth("first")])
        known = np.isfinite(y)
        if known.sum() < 2:
            return Interval(math.nan, math.nan, math.nan, 0)
        x = np.array(self.family.depths, np.float64)[known].mean()
        return self.factor.map(lambda factor: _passes(x, float(y[known].mean()), factor, largest))

    def predicted_overflow(self, largest: float, factor: float) -> float:
        """The same from theory: the predicted norm at the least depth, and a factor a layer from there."""
        predicted = self.family.first_predicted
        if predicted is None or not np.isfinite(predicted[0]):
            return math.nan
        return _passes(float(self.family.depths[0]), float(predicted[0]), factor, largest)

    def lost(self, depth: int) -> tuple[int, int]:
        """Seeds whose first-layer gradient is not finite in the network's own floats, of how many."""
        held, true = self.family.at(depth, "first_float"), self.family.at(depth, "first")
        seen = ~np.isnan(true) | ~np.isnan(held)
        return int((~np.isfinite(held[seen])).sum()), int(seen.sum())

    @cached_property
    def bracket(self) -> tuple[int, int | None] | None:
        """The last depth that most seeds survive in their floats, and the next one; None unmeasured."""
        counts = {depth: self.lost(depth) for depth in self.family.depths}
        if not any(seen for _, seen in counts.values()):
            return None
        gone = [depth for depth, (lost, seen) in counts.items() if seen and 2 * lost >= seen]
        held = [d for d, (_, seen) in counts.items() if seen and (not gone or d < gone[0])]
        return max(held, default=0), gone[0] if gone else None

    # -- training ----------------------------------------------------------------------------------

    def learns(self, depth: int) -> Interval:
        """Share of seeds that learn at the best of the learning rates."""
        chance = self.family.chance
        rows = self.trained[self.trained[DEPTH] == depth]
        if not chance > 0 or "val/accuracy" not in rows or not len(rows):
            return share_interval(0, 0)
        good = (rows["val/accuracy"] > chance + MARGIN) & (rows["status"] == "finished")
        rates = rows[LR] if LR in rows else rows["seed"] * 0
        best = good.groupby(rates).agg(["sum", "size"]).sort_values("sum").iloc[-1]
        return share_interval(int(best["sum"]), int(best["size"]))

    def diverges(self, depth: int) -> float:
        """Share of runs, over all learning rates, that ended in numbers that are not finite."""
        rows = self.trained[self.trained[DEPTH] == depth]
        return float((rows["status"] == "diverged").mean()) if len(rows) else math.nan


def explosions(results: DataFrame, ledger: DataFrame) -> list[Explosion]:
    """One for every combination of axes other than depth, seed and learning rate."""
    rows = over(results)
    one = rows
    if LR in rows and rows[LR].notna().any():  # the initial state does not know the learning rate
        one = rows.sort_values(LR).drop_duplicates([k for k in _setting(rows) if k != LR])
    found = []
    for family in families(one, ledger):
        first = family.rows.iloc[0]
        others = [k for k in _setting(rows) if k not in (LR, DEPTH, "seed")]
        same = np.logical_and.reduce([
            (rows[k] == first[k]) | (rows[k].isna() & (first[k] != first[k])) for k in others
        ])  # fmt: skip
        found.append(Explosion(family, rows[same]))
    return found


def independent(found: Sequence[Explosion]) -> list[list[Explosion]]:
    """Groups that are one experiment at several scales of the weights.

    Where sigma(c z) = c sigma(z) and biases are 0, another sigma_w multiplies every gradient by a known
    power: with the same seeds only delta at the output differs.
    """
    groups: dict[str, list[Explosion]] = {}
    for e in found:
        groups.setdefault(e.experiment, []).append(e)
    return list(groups.values())


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
