"""The networks of some rows, drawn again as they were before training."""

import json
from collections.abc import Mapping
from typing import Any

from pandas import DataFrame

from experiments.core.errors import ConfigurationError
from experiments.models import MLP
from experiments.studies.reading.rooms import activation_of, dataset_of, initializer_of, missing
from experiments.training.settings import ModelSettings


def widths_of(row: Mapping[str, Any]) -> tuple[int, ...]:
    """(n_1, ..., n_L) of a cell's network.

    >>> widths_of({"data": "digits", "model.depth": 2, "model.width": 30})
    (64, 30, 30, 10)
    >>> widths_of({"data": "digits", "model.depth": 1, "model.parameters": 7510.0})
    (64, 100, 10)
    """
    data = dataset_of(row)
    if isinstance(row.get("model.hidden"), str):
        settings = ModelSettings(hidden=json.loads(row["model.hidden"]))
    elif missing(row.get("model.parameters")):
        settings = ModelSettings(int(row["model.depth"]), int(row["model.width"]))
    else:
        settings = ModelSettings(int(row["model.depth"]), parameters=int(row["model.parameters"]))
    return settings.widths(data.features, data.outputs)


def drawn(rows: DataFrame) -> MLP | None:
    """The networks of rows of one shape as one stack: run r is row r before training.

    No checkpoint is read: a network's seed, shape and initializer determine its weights.

    Returns:
        None where an option is from outside this package.
    """
    first = rows.iloc[0].to_dict()
    try:
        return MLP(
            widths_of(first),
            activation_of(first),
            [initializer_of(row) for row in rows.to_dict("records")],
            runs=len(rows),
            seed=[int(seed) for seed in rows["seed"]],
            skip=first.get("model.skip") is True,
            normalize=first.get("model.normalize") is True,
        )
    except ConfigurationError:
        return None
