"""The networks of some rows: as they were drawn before training, and as training left them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pandas import DataFrame

from experiments.core.cell import SweepFolder
from experiments.core.errors import ConfigurationError
from experiments.core.initializer import Initializer
from experiments.initializers import Constant
from experiments.models import MLP
from experiments.studies.reading.rooms import activation_of, dataset_of, initializer_of, missing
from experiments.training.cells import read_checkpoint
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


def plain(row: Mapping[str, Any]) -> bool:
    """Whether a cell's network is without skips and normalisation, as theory assumes.

    >>> plain({"model.depth": 2}), plain({"model.depth": 2, "model.skip": True})
    (True, False)
    """
    return not any(row.get(key) is True for key in ("model.skip", "model.normalize"))


def drawn(rows: DataFrame) -> MLP | None:
    """The networks of rows of one shape as one stack: run r is row r before training.

    No checkpoint is read: a network's seed, shape and initializer determine its weights.

    Returns:
        None where an option is from outside this package.
    """
    try:
        initializers = [initializer_of(row) for row in rows.to_dict("records")]
        seeds = [int(seed) for seed in rows["seed"]]
        return _network(rows.iloc[0].to_dict(), initializers, runs=len(rows), seed=seeds)
    except ConfigurationError:
        return None


def network_of(
    row: Mapping[str, Any], folder: Path, dtype: torch.dtype | None = None
) -> MLP | None:
    """A cell's final network, its raw output before the loss's link.

    Args:
        row: the cell's row of the results.
        folder: RUNS_DIR/NAME.
        dtype: of its weights and arithmetic; None is that of training, and float32 after half precision.

    Returns:
        None where there is no readable checkpoint of a network of this package.
    """
    try:
        kept = read_checkpoint(SweepFolder(folder).cell(str(row["cell"])).checkpoint)
        net = _network(row, Constant())
        state = {name: kept[name] for name in net.state_dict()}
        net.to(dtype or torch.promote_types(state["layers.0.weight"].dtype, torch.float32))
        net.load_state_dict(state)
    except (ConfigurationError, KeyError, RuntimeError):
        return None
    return net


def _network(
    row: Mapping[str, Any], initializer: Initializer | Sequence[Initializer], **stack: Any
) -> MLP:
    return MLP(
        widths_of(row),
        activation_of(row),
        initializer,
        skip=row.get("model.skip") is True,
        normalize=row.get("model.normalize") is True,
        **stack,
    )
