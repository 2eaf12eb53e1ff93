"""Higham's ten points from many starts: the cost of every seed while it trains."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.reporting.configurations import configurations, varying_axes
from experiments.reporting.profiles import histories
from experiments.studies.reading.medians import median_interval
from experiments.studies.reading.rooms import dataset_of

DISTANCE, RIGHT = "val/squared_distance", "val/accuracy"


@dataclass(frozen=True)
class Starts:
    """Networks that differ in their seed alone.

    Args:
        label: what they have in common and others have not.
        rows: their rows of the results.
        steps: when the cost was measured.
        cost: the plotted cost, sum_d ||y_d - a_d||^2, of every seed at every such step.
    """

    label: str
    rows: DataFrame
    steps: Float64[ndarray, " steps"]
    cost: Float64[ndarray, "seeds steps"]

    @property
    def loss(self) -> str:
        return str(self.rows["loss"].iloc[0])

    @property
    def last(self) -> int:
        return int(self.steps[-1])

    @cached_property
    def right(self) -> Bool[ndarray, " seeds"]:
        """Which seeds classify every point in the end."""
        right: Bool[ndarray, " seeds"] = np.asarray(self.rows[RIGHT], np.float64) == 1.0
        return right

    @cached_property
    def published(self) -> bool:
        """Whether these are the network, points and steps that were published."""
        row = self.rows.iloc[0]
        expected = {
            "loss": "half_squared_error", "loss.link": "sigmoid", "activation": "sigmoid", "optimizer": "sgd",
            "optimizer.lr": 0.05, "trainer.batch_size": 1, "trainer.sampling": "replacement",
            "initializer": "normal", "initializer.std": 0.5, "data.eleventh": False,
            "model.hidden": "[2, 3]",
        }  # fmt: skip
        return all(row.get(key) == value for key, value in expected.items())

    def at(self, step: int) -> Float64[ndarray, " seeds"] | None:
        """Every seed's cost at a step, if it was measured there."""
        where = np.flatnonzero(self.steps == step)
        return self.cost[:, where[0]] if len(where) else None

    def median(self, step: int) -> Interval | None:
        cost = self.at(step)
        return None if cost is None else median_interval(cost)


def starts_of(rows: DataFrame, folder: Path) -> list[Starts]:
    """One for every combination of the axes other than the seed, where the cost was followed."""
    if DISTANCE not in rows:
        return []
    rows = rows[(rows["data"] == "higham") & rows[DISTANCE].notna()]
    found = []
    for group in configurations(rows, varying_axes(rows)):
        known = histories(folder, list(group.rows["cell"]), [DISTANCE])
        if DISTANCE in known:
            steps, distance = known[DISTANCE]
            points = len(dataset_of(group.rows.iloc[0].to_dict()).load().train)
            found.append(Starts(group.label, group.rows, steps, points * distance))
    return found
