"""A watched run as a cell: ``scripts/report.py`` then tabulates and diagnoses it like any other."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from experiments.core.cell import SweepFolder
from experiments.core.errors import ConfigurationError, describe
from experiments.probes import Watch
from experiments.training.cells import Cell, flatten, identity, write_config, write_outcome
from experiments.training.curves import Curves
from experiments.training.loggers import TensorBoard
from experiments.training.outcome import Outcome


def write_watched(
    folder: Path | str,
    watch: Watch,
    settings: Mapping[str, Any],
    metrics: Mapping[str, float | int] | None = None,
    history: Mapping[str, Sequence[float | int]] | None = None,
) -> Path:
    """Write a run's ledger, metrics and TensorBoard curves as a cell of ``folder``.

    Args:
        folder: of the table, ``runs/NAME``.
        watch: what was recorded.
        settings: what distinguishes this run from others in the folder, nested or with dots in its keys;
            runs that differ only in ``seed`` are averaged. A run with the same settings is replaced.
            What is no number, text, list or mapping is written as text.
        metrics: at the end, such as ``val/accuracy``. The run is called diverged if one is not finite.
        history: the same metrics while it trained, and ``step``; lists of one length.

    Returns:
        The folder of the cell.

    Raises:
        ConfigurationError: if nothing was recorded, or lists of the history differ in length.
    """
    records = watch.records
    if not records:
        raise ConfigurationError(
            describe(
                "a watch without records",
                "at least one recorded step",
                "train inside `with watch.step():` before writing",
            )
        )
    curves = {name: [*map(float, values)] for name, values in (history or {}).items()}
    lengths = {name: len(values) for name, values in curves.items()}
    if lengths and ("step" not in lengths or len(set(lengths.values())) > 1):
        raise ConfigurationError(
            describe(
                f"a history of lengths {lengths}",
                "one number of every metric for every entry of `step`",
                "give `step` and lists of its length",
            )
        )
    metrics = {name: float(value) for name, value in (metrics or {}).items()}
    outcome = Outcome(
        status="finished" if all(map(math.isfinite, metrics.values())) else "diverged",
        steps=records[-1][0] + 1,
        metrics=metrics,
        history=curves,
        recorded=records,
        seconds=watch.seconds,
        facts=_facts(watch),
    )
    cell = _cell(Path(folder), {str(key): _plain(value) for key, value in settings.items()})
    write_config(cell)
    _write_events(cell, outcome, watch)
    write_outcome(cell, outcome, watch.columns)
    return cell.folder.path


def _cell(folder: Path, settings: dict[str, Any]) -> Cell:
    name = identity({"settings": settings})  # so that none of them is taken for an output path
    return Cell(name, settings, flatten(settings), SweepFolder(folder).cell(name))


def _plain(setting: Any) -> Any:
    """What a YAML file can hold."""
    if isinstance(setting, Mapping):
        return {str(key): _plain(value) for key, value in setting.items()}
    if isinstance(setting, np.generic | Tensor) and math.prod(setting.shape) == 1:
        return setting.item()
    if isinstance(setting, Sequence) and not isinstance(setting, str):
        return [_plain(value) for value in setting]
    if type(setting) in (bool, int, float, str, type(None)):
        return setting
    return getattr(setting, "__qualname__", None) or str(setting)


def _facts(watch: Watch) -> dict[str, object]:
    """The layers and what was not seen, and the activation if all hidden layers have the same."""
    hidden = {layer.activation for layer in watch.layers[:-1]}
    facts: dict[str, object] = {"layers": {str(layer.layer): layer.name for layer in watch.layers}}
    if watch.unseen:
        facts["not_watched"] = [*watch.unseen]
    if len(hidden) == 1:
        facts["activation"] = hidden.pop()
    return facts


def _write_events(cell: Cell, outcome: Outcome, watch: Watch) -> None:
    writer = TensorBoard().open(cell.folder.path)
    try:
        curves = Curves([writer], watch.columns, len(watch.layers))
        curves.recorded(outcome.recorded)
        numbers = dict(outcome.history)
        for k, step in enumerate(numbers.pop("step", [])):
            curves.evaluated(int(step), {name: values[k] for name, values in numbers.items()})
        writer.summarize(cell.axes, outcome.metrics)
    finally:
        writer.close()
