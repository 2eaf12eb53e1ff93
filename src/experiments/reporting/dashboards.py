"""TensorBoard over seeds: one run per configuration, with bands, a layout, final metrics, a profile.

Each cell also has event files of its own; these few runs are the overview. Margin charts need exactly
three tags, in the order value, lower, upper. Non-finite values are written as they are: TensorBoard
marks them.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame, concat, isna
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import custom_scalars, hparams, image

from experiments.core.cell import CellFolder, SweepFolder
from experiments.core.event_file import EventFile, remove_event_files
from experiments.reporting.collect import read_collection
from experiments.reporting.configurations import (
    Configuration,
    configurations,
    headings,
    label,
    text,
    varying_axes,
)
from experiments.reporting.figures.canvas import to_pixels
from experiments.reporting.figures.curves import Curve, Panel, centre, draw_panels
from experiments.reporting.figures.depth_profile import DELTA, LAYER
from experiments.reporting.profiles import Profile, histories, log10_profiles
from experiments.reporting.summary import seed_values

BAND = ("mean", "lo", "hi")
CURVES = ("train/loss", "val/loss", "val/accuracy")
FINAL = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "test/loss", "test/accuracy")
LAYOUT = {
    "Over seeds": {key: ["Margin", [f"seeds/{key}/{edge}" for edge in BAND]] for key in CURVES},
    "Gradient": {"log10 norm of delta by layer": ["Multiline", [r"^log10_delta_norm/layer_\d+$"]]},
}
_OURS = ".profile"


def write_dashboards(folder: Path) -> list[Path]:
    """Write RUNS_DIR/NAME/tensorboard, one run per configuration, replacing earlier files.

    Returns:
        The folders of the runs.

    Raises:
        ConfigurationError: if the folder holds no readable cell.
    """
    collection = read_collection(folder)
    results = collection.results
    axes = varying_axes(results)
    target = SweepFolder(folder).tensorboard
    remove_event_files(target)
    by_cell = dict(list(collection.ledger.groupby("cell", sort=False)))
    written = []
    groups = configurations(results[results["status"] != "failed"], axes)
    for group, name in zip(groups, _run_names(groups, axes), strict=True):
        ledgers = [by_cell[cell] for cell in group.rows["cell"] if cell in by_cell]
        run = target / name
        with closing(EventFile(run)) as events:
            events.add(custom_scalars(LAYOUT))
            _bands(events, folder, group)
            if ledgers:
                _gradient(events, concat(ledgers), group.label)
            named = zip(headings(axes), group.values, strict=True)
            settings = {name: _setting(value) for name, value in named}
            known = [key for key in FINAL if key in results]
            final = {
                f"final/{key}": float(_means(seed_values(group.rows, key)[:, None])[0])
                for key in known
            }
            for summary in hparams(settings, final):
                events.add(summary)
            events.add(_scalars(final))
        written.append(run)
    return written


def write_cell_dashboard(cell: CellFolder, ledger: DataFrame) -> None:
    """Add one cell's depth profile, before and after training, to its own event files.

    Args:
        cell: the cell's folder.
        ledger: the cell's rows of the ledger.
    """
    remove_event_files(cell.tensorboard, _OURS)
    with closing(EventFile(cell.tensorboard, _OURS)) as events:
        if len(ledger):
            _picture(events, log10_profiles(ledger), cell.path.name)


def _means(values: Float64[ndarray, "seeds columns"]) -> Float64[ndarray, " columns"]:
    """Means over the finite seeds of each column; NaN if there is none."""
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        found: Float64[ndarray, " columns"] = np.where(finite, values, 0.0).sum(0) / finite.sum(0)
    return found


def _scalars(numbers: Mapping[str, float]) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=v) for tag, v in numbers.items()])


def _bands(events: EventFile, folder: Path, group: Configuration) -> None:
    points: dict[int, dict[str, float]] = {}
    for key, (steps, values) in histories(folder, list(group.rows["cell"]), CURVES).items():
        mean, band = centre(list(values.T))
        for edge, numbers in zip(BAND, (mean, *band), strict=True):
            for step, number in zip(steps.tolist(), numbers.tolist(), strict=True):
                points.setdefault(int(step), {})[f"seeds/{key}/{edge}"] = number
    for step in sorted(points):
        events.add(_scalars(points[step]), step)


def _gradient(events: EventFile, ledger: DataFrame, title: str) -> None:
    """Mean log10 norm of every layer at every record, and the profile as a picture."""
    profiles = log10_profiles(ledger)
    for step, (layers, values) in profiles.items():
        means = zip(layers.tolist(), _means(values).tolist(), strict=True)
        named = {f"log10_delta_norm/layer_{layer:02d}": number for layer, number in means}
        events.add(_scalars(named), step)
    _picture(events, profiles, title)


def _picture(events: EventFile, profiles: Mapping[int, Profile], title: str) -> None:
    """The first and the last recorded profile on one pair of axes."""
    curves = []
    for step in sorted({min(profiles), max(profiles)}):
        layers, values = profiles[step]
        curves.append(Curve(f"step {step}", layers.astype(np.float64), list(values.T)))
    figure = draw_panels([Panel(title, tuple(curves))], LAYER, DELTA)
    picture = image("depth profile", to_pixels(figure), dataformats="HWC")
    events.add(picture, max(profiles))


def _setting(value: Any) -> str | float | int | bool:
    """A setting in a type that HParams accepts."""
    if isna(value):
        return "not set"
    return value if isinstance(value, str | float | int | bool) else value.item()


def _run_names(groups: Sequence[Configuration], axes: Sequence[str]) -> list[str]:
    """Names of folders; an axis's whole numbers get equally many digits, so that TensorBoard sorts them.

    >>> sweep = DataFrame({"activation": ["relu", "elu"], "model.depth": [2, 10]})
    >>> _run_names(configurations(sweep, list(sweep)), list(sweep))
    ['elu-depth_10', 'relu-depth_02']
    """
    written = [[text(group.values[k]) for group in groups] for k in range(len(axes))]
    digits = [max((len(w) for w in words if w.isdigit()), default=0) for words in written]
    labels = [label(axes, group.values, digits).replace(" · ", "-") for group in groups]
    return [re.sub(r"[^\w.+=-]+", "_", name).strip("_") or "all" for name in labels]
