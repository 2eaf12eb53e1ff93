"""The files of a cell's curves: every kind takes what a run may say, non-finite numbers included."""

import csv
import math
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.core.errors import ConfigurationError
from experiments.core.logger import CellLogger
from experiments.training import loggers
from experiments.training.loggers import CSV, TensorBoard

ROOMS = [getattr(loggers, name) for name in loggers.__all__]
LAYERS = {f"delta_norm/layer_{layer:02d}": 0.5**layer for layer in (2, 3, 4)}


def written(logger: CellLogger, folder: Path) -> Path:
    """A short life: two steps, one of them useless, a distribution, and the final metrics."""
    writer = logger.open(folder)
    writer.scalars(0, {"train/loss": 2.5, **LAYERS})
    writer.scalars(10, {"train/loss": math.nan, "val/loss": math.inf, **LAYERS})
    writer.histogram(0, "activation/layer_02", torch.tensor([1.0, 2.0, torch.nan, -torch.inf]))
    writer.histogram(10, "activation/layer_02", torch.tensor([torch.nan]))
    writer.summarize({"seed": 0, "activation": "tanh", "checkpoint": None}, {"test/loss": 1.5})
    writer.close()
    return folder


def read_events(folder: Path) -> EventAccumulator:
    """What TensorBoard would show of a cell."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_logger_survives_non_finite_numbers(room, tmp_path) -> None:
    """Nothing raises, files are there, and a second life replaces the first."""
    written(room(), tmp_path)
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert files
    written(room(), tmp_path)
    again = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(again) == len(files)


def test_a_cell_that_is_opened_twice_at_once(tmp_path, monkeypatch) -> None:
    """Event files that another process has just removed are gone, which is what was wanted."""
    search = Path.glob

    def stale(path: Path, pattern: str) -> list[Path]:
        return [*search(path, pattern), path / "events.out.tfevents.gone"]

    monkeypatch.setattr(Path, "glob", stale)
    written(TensorBoard(), tmp_path)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


@pytest.mark.parametrize("first", [0, 1])
def test_two_processes_leave_one_file(first, tmp_path, monkeypatch) -> None:
    """Neither saw the other's file when it began; every point of the curve is there once."""
    with monkeypatch.context() as patched:
        patched.setattr(Path, "glob", lambda *_: [])
        writers = [TensorBoard().open(tmp_path) for _ in range(2)]
    for step in (0, 10):
        for writer in writers:
            writer.scalars(step, {"train/loss": 1.0})
    for writer in (writers[first], writers[1 - first]):
        writer.close()
    assert [point.step for point in read_events(tmp_path).Scalars("train/loss")] == [0, 10]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_one_logger_opens_a_writer_for_every_cell(room, tmp_path) -> None:
    """What is written for one cell is not in the other's files."""
    logger = room()
    first, second = (logger.open(tmp_path / name) for name in ("first", "second"))
    first.scalars(0, {"train/loss": 0.125})
    for writer in (first, second):
        writer.close()
    sizes = {
        name: sum(path.stat().st_size for path in (tmp_path / name).rglob("*") if path.is_file())
        for name in ("first", "second")
    }
    assert sizes["first"] > sizes["second"]


def test_csv_holds_every_number_exactly(tmp_path) -> None:
    """One row a number, round trip exact; the final metrics come last."""
    written(CSV(), tmp_path)
    with (tmp_path / "metrics.csv").open() as file:
        rows = [(int(r["step"]), r["tag"], float(r["value"])) for r in csv.DictReader(file)]
    assert rows[0] == (0, "train/loss", 2.5)
    assert (10, "delta_norm/layer_03", 0.125) in rows
    assert math.isnan(next(value for step, tag, value in rows if (step, tag) == (10, "train/loss")))
    assert rows[-1] == (10, "final/test/loss", 1.5)


def test_tensorboard_holds_scalars_and_histograms(tmp_path) -> None:
    """Non-finite scalars are kept as they are; a histogram counts what it had to leave out."""
    events = read_events(written(TensorBoard(), tmp_path))
    first, last = events.Scalars("train/loss")
    assert (first.step, first.value, last.step) == (0, 2.5, 10)
    assert math.isnan(last.value)
    assert events.Scalars("activation/layer_02/nonfinite")[0].value == 2
    (histogram,) = events.Histograms("activation/layer_02")
    assert histogram.histogram_value.num == 2
    assert histogram.histogram_value.sum == 3
    assert events.Scalars("final/test/loss")[0].value == 1.5


def test_a_histogram_leaves_out_what_no_float32_holds(tmp_path) -> None:
    """TensorBoard draws single precision: larger numbers are counted with the other lost ones."""
    writer = TensorBoard().open(tmp_path)
    numbers = torch.tensor([1e100, 1.0, torch.nan], dtype=torch.float64)
    writer.histogram(0, "activation/layer_02", numbers)
    writer.close()
    events = read_events(tmp_path)
    assert events.Scalars("activation/layer_02/nonfinite")[0].value == 2
    assert events.Histograms("activation/layer_02")[0].histogram_value.num == 1


@pytest.mark.parametrize(
    ("layers", "shown"), [("all", {2, 3, 4}), ("ends", {2, 4}), ("none", set())]
)
def test_tensorboard_thins_the_layers(tmp_path, layers, shown) -> None:
    """A large sweep may keep the first and the last layer, or none."""
    events = read_events(written(TensorBoard(layers, histograms=False), tmp_path))
    tags = {tag for tag in events.Tags()["scalars"] if "/layer_" in tag}
    assert tags == {f"delta_norm/layer_{layer:02d}" for layer in shown}
    assert not events.Tags()["histograms"]


def test_the_last_of_a_hundred_layers_is_an_end(tmp_path) -> None:
    """Layers are numbers: layer_100 comes after layer_99."""
    writer = TensorBoard("ends", histograms=False).open(tmp_path)
    writer.scalars(0, {f"delta_norm/layer_{layer:02d}": 1.0 for layer in range(2, 101)})
    writer.close()
    tags = {tag for tag in read_events(tmp_path).Tags()["scalars"] if "/layer_" in tag}
    assert tags == {"delta_norm/layer_02", "delta_norm/layer_100"}


def test_curves_can_be_read_while_they_grow(tmp_path) -> None:
    """A step is in the file as soon as it is said, and its numbers are that step's."""
    writer = TensorBoard(histograms=False).open(tmp_path)
    for step in range(4):
        writer.scalars(step, {"train/loss": 1.0 / (step + 1), **LAYERS})
        found = read_events(tmp_path).Scalars("train/loss")
        assert [(point.step, point.value) for point in found] == [
            (s, pytest.approx(1.0 / (s + 1))) for s in range(step + 1)
        ]
    writer.close()


def test_an_unknown_choice_of_layers_is_refused() -> None:
    """The message lists the three."""
    with pytest.raises((ConfigurationError, TypeError), match=r"all.*ends.*none"):
        TensorBoard(layers="some")  # type: ignore[arg-type]
