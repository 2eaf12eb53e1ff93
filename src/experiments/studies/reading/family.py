"""What was measured of networks that differ in nothing but depth and seed, and what theory predicts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame, Series

from experiments.core.errors import ConfigurationError
from experiments.core.interval import Interval
from experiments.core.shapes import FIRST_WEIGHT_LAYER
from experiments.reporting.configurations import configurations, varying_axes
from experiments.reporting.intervals import mean_interval, share_interval, slope_interval
from experiments.reporting.profiles import at_step
from experiments.reporting.summary import seed_values
from experiments.studies.reading.grouping import without_first
from experiments.studies.reading.prediction import Prediction, predict
from experiments.studies.reading.rooms import dataset_of
from experiments.studies.reading.verdicts import over

DEPTH = "model.depth"
PAIR = ("activation", "initializer")
#: a network has learnt when its validation accuracy is this far above chance
MARGIN = 0.2
#: log10: a gradient has vanished when its norm at the first layer is below this share of the output's
VANISHED = -6.0
#: log10: the network's floats hold a norm when their value is this close to it
HELD = np.log10(1.01)


@dataclass(frozen=True)
class Family:
    """Networks that differ in depth and seed alone.

    Args:
        label: the settings that tell them from the other families.
        rows: their rows of the results without failed cells, with the gradients of ``families_of``.
        prediction: of mean field, where it applies.
        chance: accuracy of guessing; NaN where it is unknown.
    """

    label: str
    rows: DataFrame
    prediction: Prediction | None
    chance: float

    @property
    def activation(self) -> str:
        return str(self.rows["activation"].iloc[0])

    @property
    def initializer(self) -> str:
        return str(self.rows["initializer"].iloc[0])

    @property
    def further(self) -> str:
        """What the label says beyond activation and initializer; empty without further axes."""
        return without_first(self.label, len(PAIR))

    @cached_property
    def depths(self) -> list[int]:
        return sorted(self.rows[DEPTH].unique().tolist())

    def at(self, depth: int, column: str) -> Float64[ndarray, " seeds"]:
        """A column's values over the seeds of one depth; empty where no cell of it is over."""
        values = self.rows.loc[self.rows[DEPTH] == depth, column]
        return np.asarray(values, np.float64)

    def by_depth(self, column: str) -> list[Float64[ndarray, " seeds"]]:
        return [self.at(depth, column) for depth in self.depths]

    @cached_property
    def gain(self) -> Interval:
        """Factor on the first layer's gradient for one more layer."""
        wide = self.rows.pivot_table(index="seed", columns=DEPTH, values="first", dropna=False)
        slope = slope_interval(wide.columns.to_numpy(np.float64), wide.to_numpy(np.float64))
        return slope.map(lambda rise: float(10.0**rise))

    @property
    def log_slope(self) -> Interval:
        """Slope of ln ||delta^[2]||^2 against the number of hidden layers."""
        return self.gain.map(lambda gain: 2 * math.log(gain) if gain > 0 else -math.inf)

    @property
    def log_chi(self) -> float:
        """ln chi at the fixed point: the predicted slope far from the input; NaN if unknown."""
        limit = 0.0 if self.prediction is None else self.prediction.limit
        return 2 * math.log(limit) if limit > 0 else math.nan

    @cached_property
    def first_predicted(self) -> Float64[ndarray, " depths"] | None:
        """Predicted log10 norm at the first layer, from the measured one at the output."""
        if self.prediction is None:
            return None
        output = [mean_interval(seeds).value for seeds in self.by_depth("output")]
        sums = [self.prediction.log10_profile(depth)[0] for depth in self.depths]
        return np.asarray(np.add(output, sums), np.float64)

    @cached_property
    def gain_predicted(self) -> float:
        """The same fit through the predicted norms."""
        if self.first_predicted is None or len(self.depths) < 2:
            return math.nan
        finite = np.isfinite(self.first_predicted)
        if finite.sum() < 2:
            return math.nan
        x = np.array(self.depths, np.float64)[finite]
        return float(10.0 ** np.polyfit(x, self.first_predicted[finite], 1)[0])

    @cached_property
    def gain_ratio(self) -> Interval:
        """Measured over predicted factor; no bounds where either is unknown."""
        predicted = self.gain_predicted
        return self.gain.map(lambda gain: gain / predicted)

    def learnt(self, depth: int) -> Interval:
        """Share of seeds whose validation accuracy is clearly above chance.

        A diverged seed has not learnt. Where chance is unknown, the share is unknown too.
        """
        seeds = self.at(depth, "accuracy") if self.chance > 0 else np.empty(0)
        return share_interval(int((seeds > self.chance + MARGIN).sum()), len(seeds))

    @cached_property
    def trains_to(self) -> int:
        """The depth up to which, at every depth measured, at least half the seeds learn."""
        deepest = 0
        for depth in self.depths:
            if not self.learnt(depth).value >= 0.5:
                break
            deepest = depth
        return deepest


def families_of(results: DataFrame, ledger: DataFrame) -> list[Family]:
    """One for every combination of the axes other than depth and seed, from cells that did not fail.

    Their rows get six more columns::

        first          log10 norm of the gradient at the first layer, before training
        output         the same at the last layer
        first_float    the norm at the first layer as the network's own floats hold it
        vanished       whether ``first`` is next to nothing beside ``output``
        lost           whether the network's floats fail to hold ``first``
        accuracy       on the validation part after training; NaN for a diverged cell
    """
    results = over(results)
    start = at_step(ledger, 0)
    first = start[start["layer"] == FIRST_WEIGHT_LAYER].set_index("cell")
    last = start.loc[start.groupby("cell")["layer"].idxmax()].set_index("cell")
    columns = {
        "first": first["log10_delta_norm"], "first_float": first["delta_norm"],
        "output": last["log10_delta_norm"],
    }  # fmt: skip
    rows = results.assign(
        accuracy=seed_values(results, "val/accuracy"),
        **{key: results["cell"].map(norms).astype(np.float64) for key, norms in columns.items()},
    )
    rows = rows.assign(
        vanished=rows["first"] < rows["output"] + VANISHED,
        lost=_lost(rows["first"], rows["first_float"]),
    )
    others = [key for key in varying_axes(results) if key not in (*PAIR, DEPTH)]
    families = []
    for group in configurations(rows, [*PAIR, *others]):
        row = group.rows.iloc[0].to_dict()
        families.append(
            Family(
                label=group.label,
                rows=group.rows,
                prediction=predict(row, int(group.rows[DEPTH].max())),
                chance=chance_of(row),
            )
        )
    return families


def _lost(true: Series, held: Series) -> Series:
    """Whether floats hold 0, infinity or something else in place of a number whose log10 is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = (np.log10(held) - true).abs()
    lost: Series = np.isfinite(true) & ~(off < HELD)
    return lost


def chance_of(row: Mapping[str, Any]) -> float:
    """Accuracy of guessing; NaN for data without classes or without a module in ``data``.

    >>> chance_of({"data": "digits"})
    0.1
    """
    try:
        data = dataset_of(row)
    except ConfigurationError:
        return math.nan
    return 1.0 / max(data.outputs, 2) if data.task == "classification" else math.nan
