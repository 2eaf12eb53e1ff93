"""TensorBoard over seeds: one run a configuration, with bands, a layout, final metrics, a profile.

A sweep's cells each have their own event files; these few runs are what one looks at first. Margin
charts want exactly three tags, in the order value, lower, upper. Values that are not finite are
written as they are: TensorBoard marks them.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame, concat, isna
from torch.utils.tensorboard import SummaryWriter

from experiments.core.cell import CellFolder, SweepFolder
from experiments.reporting.collect import read_collection
from experiments.reporting.configurations import Configuration, configurations, short, varying_axes
from experiments.reporting.figures.canvas import to_pixels
from experiments.reporting.figures.curves import Curve, Panel, centre, draw_panels
from experiments.reporting.figures.depth_profile import DELTA, LAYER
from experiments.reporting.profiles import at_step, histories, layers_of
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
    """Write RUNS_DIR/NAME/tensorboard, one run for each configuration; what was there is replaced.

    Returns:
        The folders of the runs.

    Raises:
        ConfigurationError: if the folder holds no readable cell.
    """
    collection = read_collection(folder)
    results = collection.results
    axes = varying_axes(results)
    target = SweepFolder(folder).tensorboard
    for old in target.rglob("events.out.tfevents.*"):
        old.unlink()
    by_cell = dict(list(collection.ledger.groupby("cell", sort=False)))
    written = []
    for group in configurations(results[results["status"] != "failed"], axes):
        ledgers = [by_cell[cell] for cell in group.rows["cell"] if cell in by_cell]
        run = target / (_slug(group.label) or "all")
        with SummaryWriter(str(run), max_queue=10_000) as writer:
            writer.add_custom_scalars(LAYOUT)
            _bands(writer, folder, group)
            if ledgers:
                _gradient(writer, concat(ledgers), group.label)
            writer.add_hparams(
                {short(key): _setting(v) for key, v in zip(axes, group.values, strict=True)},
                {
                    f"final/{key}": _mean(seed_values(group.rows, key))
                    for key in FINAL
                    if key in results
                },
                run_name=".",
            )
        written.append(run)
    return written


def write_cell_dashboard(cell: CellFolder, ledger: DataFrame) -> None:
    """Add one cell's depth profile, before and after training, to its own event files.

    Args:
        cell: the cell's folder.
        ledger: the cell's rows of the ledger.
    """
    for old in cell.tensorboard.glob(f"events.out.tfevents.*{_OURS}"):
        old.unlink()
    with SummaryWriter(str(cell.tensorboard), filename_suffix=_OURS) as writer:
        if len(ledger):
            _picture(writer, _profiles(ledger), cell.path.name)


def _mean(seeds: Float64[ndarray, " seeds"]) -> float:
    finite = seeds[np.isfinite(seeds)]
    return float(finite.mean()) if len(finite) else float("nan")


def _bands(writer: SummaryWriter, folder: Path, group: Configuration) -> None:
    found = histories(folder, list(group.rows["cell"]), CURVES)
    for key, (steps, values) in found.items():
        mean, band = centre(list(values.T))
        for edge, numbers in zip(BAND, (mean, *band), strict=True):
            for step, number in zip(steps, numbers, strict=True):
                writer.add_scalar(f"seeds/{key}/{edge}", number, int(step))


def _gradient(writer: SummaryWriter, ledger: DataFrame, title: str) -> None:
    """Mean log10 norm of every layer at every record, and the profile as a picture."""
    curves = _profiles(ledger)
    for step, curve in curves.items():
        for layer, number in zip(curve.x, centre(curve.samples)[0], strict=True):
            writer.add_scalar(f"log10_delta_norm/layer_{layer:02.0f}", number, step)
    _picture(writer, curves, title)


def _profiles(ledger: DataFrame) -> dict[int, Curve]:
    """One depth profile over seeds for each recorded step."""
    found: dict[int, Curve] = {}
    for step in sorted(ledger["step"].unique().tolist()):
        rows = at_step(ledger, step)
        layers, values = layers_of(rows, rows["cell"].unique().tolist())
        found[step] = Curve(f"step {step}", layers.astype(np.float64), list(values.T))
    return found


def _picture(writer: SummaryWriter, curves: dict[int, Curve], title: str) -> None:
    """The first and the last recorded profile on one pair of axes."""
    ends = [curves[step] for step in sorted({min(curves), max(curves)})]
    figure = draw_panels([Panel(title, tuple(ends))], LAYER, DELTA)
    writer.add_image("depth profile", to_pixels(figure), max(curves), dataformats="HWC")


def _setting(value: Any) -> str | float | int | bool:
    """A setting as HParams takes it; a missing one in words."""
    if isna(value):
        return "not set"
    return value if isinstance(value, str | float | int | bool) else value.item()


def _slug(label: str) -> str:
    """A configuration's name as a folder's.

    >>> _slug("half squared error · depth 20")
    'half_squared_error-depth_20'
    """
    return re.sub(r"[^\w.+=-]+", "_", label.replace(" · ", "-")).strip("_")
