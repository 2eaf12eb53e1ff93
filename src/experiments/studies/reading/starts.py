"""Higham's ten points from many starts: the cost of every seed while it trains."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.reporting.configurations import configurations, varying_axes
from experiments.reporting.profiles import histories
from experiments.studies.reading.rooms import dataset_of

DISTANCE, RIGHT = "val/squared_distance", "val/accuracy"


@dataclass(frozen=True)
class Starts:
    """Networks that differ in their seed alone.

    Args:
        label: the settings that tell them from the other networks.
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
        return np.asarray(self.rows[RIGHT].to_numpy(np.float64) == 1.0)

    @cached_property
    def published(self) -> bool:
        """Whether the network, the points and the training are those of the paper."""
        row = self.rows.iloc[0]
        expected = {
            "loss": "half_squared_error", "loss.link": "sigmoid", "activation": "sigmoid", "optimizer": "sgd",
            "optimizer.lr": 0.05, "trainer.batch_size": 1, "trainer.sampling": "replacement",
            "initializer": "normal", "initializer.std": 0.5, "data.eleventh": False,
            "model.hidden": "[2, 3]",
        }  # fmt: skip
        return all(row.get(key) == value for key, value in expected.items())

    def measured(self, step: int) -> bool:
        """Whether the cost was measured at a step."""
        return step in self.steps

    def at(self, step: int) -> Float64[ndarray, " seeds"]:
        """Every seed's cost at a step that was measured."""
        return self.cost[:, self.steps == step][:, 0]


def starts_of(rows: DataFrame, folder: Path) -> list[Starts]:
    """One for every combination of the axes other than the seed, where the cost was followed."""
    if DISTANCE not in rows:
        return []
    rows = rows[(rows["data"] == "higham") & rows[DISTANCE].notna()]
    starts = []
    for group in configurations(rows, varying_axes(rows)):
        history = histories(folder, list(group.rows["cell"]), [DISTANCE]).get(DISTANCE)
        if history is not None:
            steps, distance = history
            points = len(dataset_of(group.rows.iloc[0].to_dict()).load().train)
            starts.append(Starts(group.label, group.rows, steps, points * distance))
    return starts
