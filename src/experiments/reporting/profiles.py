"""Arrays from the ledger and the histories, with seeds along the first axis."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.cell import SweepFolder
from experiments.core.record import Record, read_record

#: steps, and one row of values for each cell
History = tuple[Float64[ndarray, " steps"], Float64[ndarray, "seeds steps"]]
#: layer numbers (the notes' l, from 2), and one row of values for each cell
Profile = tuple[Int64[ndarray, " layers"], Float64[ndarray, "seeds layers"]]


def at_step(ledger: DataFrame, step: int) -> DataFrame:
    """The ledger's rows of one step.

    >>> at_step(DataFrame({"step": [0, 5, 0], "layer": [2, 2, 3]}), 0)["layer"].tolist()
    [2, 3]
    """
    return ledger[ledger["step"] == step]


def layers_of(rows: DataFrame, cells: Sequence[str], column: str = "log10_delta_norm") -> Profile:
    """One column of the ledger by layer, for cells of one shape.

    Args:
        rows: ledger rows of one step.
        cells: of one configuration; those without rows are left out.
        column: the quantity.

    Returns:
        Layer numbers (the notes' l, from 2) and one row of values for each cell that has any.
    """
    mine = rows[rows["cell"].isin(list(cells))]
    wide = mine.pivot(index="cell", columns="layer", values=column)
    return wide.columns.to_numpy(np.int64), wide.to_numpy(np.float64)


def log10_profiles(ledger: DataFrame) -> dict[int, Profile]:
    """log10 ||delta^[l]|| at every recorded step, in order, of the cells that recorded it.

    Args:
        ledger: rows of cells of one shape.
    """
    wide = ledger.pivot(index=["step", "cell"], columns="layer", values="log10_delta_norm")
    layers, values = wide.columns.to_numpy(np.int64), wide.to_numpy(np.float64)
    steps, starts = np.unique(wide.index.get_level_values("step"), return_index=True)
    blocks = np.split(values, starts[1:])
    return {int(step): (layers, block) for step, block in zip(steps, blocks, strict=True)}


def histories(folder: Path, cells: Sequence[str], keys: Sequence[str]) -> dict[str, History]:
    """The learning curves of some cells: for each key the steps, and one row of values per cell.

    The steps are the union over all cells, with NaN where a cell recorded nothing. A run that diverged
    is NaN from then on, and figures mark it. A run that was stopped early keeps its last values, since
    its network no longer changes. A cell whose record cannot be used recorded nothing; a key that no cell
    recorded is left out.
    """
    points: dict[str, list[dict[float, float]]] = {key: [] for key in keys}
    stopped = []
    for cell in cells:
        read = read_record(SweepFolder(folder).cell(cell))
        record: Record = {} if isinstance(read, str) else read
        known = record.get("history") or {}
        end = np.inf if record.get("diverged_at") is None else record["diverged_at"]
        stopped.append(record.get("stopped_at") is not None)
        for key in keys:
            pairs = zip(known.get("step", []), known.get(key, []), strict=False)
            points[key].append({float(s): float(v) for s, v in pairs if v is not None and s < end})
    found: dict[str, History] = {}
    for key, curves in points.items():
        steps = sorted(set().union(*curves))
        if steps:
            values = [_on_grid(*one, steps) for one in zip(curves, stopped, strict=True)]
            found[key] = (np.array(steps, np.float64), np.array(values, np.float64))
    return found


def _on_grid(curve: Mapping[float, float], stopped: bool, steps: Sequence[float]) -> list[float]:
    last = max(curve) if stopped and curve else np.inf
    return [curve[last] if step > last else curve.get(step, np.nan) for step in steps]
