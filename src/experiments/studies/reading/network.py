"""The network that a cell left behind, from its checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.core.cell import SweepFolder
from experiments.core.errors import CheckpointError, ConfigurationError
from experiments.initializers import Constant
from experiments.models import MLP
from experiments.studies.reading.rooms import activation_of
from experiments.training.cells import read_checkpoint


def network_of(row: Mapping[str, Any], folder: Path) -> MLP | None:
    """A cell's final network in float64, its raw output before the loss's link.

    Args:
        row: the cell's row of the results.
        folder: RUNS_DIR/NAME.

    Returns:
        None where there is no readable checkpoint of a plain network.
    """
    try:
        state = read_checkpoint(SweepFolder(folder).cell(str(row["cell"])).checkpoint)
        activation = activation_of(row)
    except (CheckpointError, ConfigurationError):
        return None
    # sorted by number: layers.10 comes after layers.9
    names = sorted((k for k in state if k.endswith(".weight")), key=lambda k: int(k.split(".")[1]))
    weights = [state[name] for name in names]
    if not weights or any(row.get(key) is True for key in ("model.skip", "model.normalize")):
        return None
    widths = (weights[0].shape[1], *(len(weight) for weight in weights))
    net = MLP(widths, activation, Constant()).double()
    net.load_state_dict(state)
    return net
