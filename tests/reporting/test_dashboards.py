"""Dashboards over seeds, read back from their event files."""

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tests.reporting.fabricated import write_cell

from experiments.core.cell import SweepFolder
from experiments.reporting.collect import collect
from experiments.reporting.dashboards import write_cell_dashboard, write_dashboards
from experiments.reporting.profiles import histories


def _read(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def test_one_run_a_configuration_with_bands_over_its_seeds(sweep: Path) -> None:
    """Mean and band of every curve at every step, from the records themselves."""
    collection = collect(sweep)
    runs = write_dashboards(sweep)
    assert len(runs) == 2 * 3
    assert {run.name for run in runs} >= {"relu-depth_02", "sigmoid-depth_10"}
    rows = collection.results.query("activation == 'relu' and `model.depth` == 5")
    _, values = histories(sweep, list(rows["cell"]), ["val/accuracy"])["val/accuracy"]
    events = _read(sweep / "tensorboard" / "relu-depth_05")
    for edge, expected in {
        "mean": values.mean(axis=0), "lo": np.quantile(values, 0.1, axis=0),
        "hi": np.quantile(values, 0.9, axis=0),
    }.items():  # fmt: skip
        points = events.Scalars(f"seeds/val/accuracy/{edge}")
        assert [p.step for p in points] == [0, 50, 100]
        np.testing.assert_allclose([p.value for p in points], expected, rtol=1e-6)


def test_layout_hyperparameters_and_profile_are_there(sweep: Path) -> None:
    """A margin chart names its three tags in order; the table of settings has the final metrics."""
    collect(sweep)
    write_dashboards(sweep)
    events = _read(sweep / "tensorboard" / "sigmoid-depth_10")
    held = events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    layout = layout_pb2.Layout.FromString(held)
    charts = [chart for category in layout.category for chart in category.chart]
    series = next(c for c in charts if c.title == "val/loss").margin.series[0]
    assert (series.value, series.lower, series.upper) == tuple(
        f"seeds/val/loss/{edge}" for edge in ("mean", "lo", "hi")
    )
    start = plugin_data_pb2.HParamsPluginData.FromString(
        events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    ).session_start_info
    assert start.hparams["activation"].string_value == "sigmoid"
    assert start.hparams["depth"].number_value == 10
    assert events.Scalars("final/val/accuracy")[0].value == pytest.approx(0.1, abs=0.05)
    assert events.Images("depth profile")[0].encoded_image_string.startswith(b"\x89PNG")
    layers = [tag for tag in events.Tags()["scalars"] if tag.startswith("log10_delta_norm/")]
    assert layers[0] == "log10_delta_norm/layer_02"
    assert len(layers) == 11


def test_writing_again_replaces_what_was_there(sweep: Path) -> None:
    """A point is there once, however often the report is made; a vanished configuration is gone."""
    collect(sweep)
    write_dashboards(sweep)
    write_dashboards(sweep)
    events = _read(sweep / "tensorboard" / "relu-depth_02")
    assert len(events.Scalars("seeds/val/loss/mean")) == 3
    assert len(list((sweep / "tensorboard" / "relu-depth_02").glob("events*"))) <= 2


def test_values_that_are_not_finite_do_not_crash(tmp_path: Path) -> None:
    """Diverged, infinite, missing: everything is written, and a configuration of failures is not."""
    axes = {"activation": "relu", "model.depth": 3}
    write_cell(tmp_path, "a", axes | {"seed": 0}, status="diverged", gain=1e-300)
    write_cell(
        tmp_path, "b", axes | {"seed": 1}, metrics={"val/loss": float("inf"), "val/accuracy": None},
        history={"step": [0, 1], "val/loss": [float("nan"), float("-inf")]},
    )  # fmt: skip
    write_cell(tmp_path, "c", axes | {"seed": 2, "activation": "tanh"}, status="failed")
    collect(tmp_path)
    runs = write_dashboards(tmp_path)
    assert [run.name for run in runs] == ["relu"]
    tags = _read(runs[0]).Tags()["scalars"]
    assert "seeds/val/loss/mean" in tags
    assert "final/val/loss" in tags


def test_a_single_cell_gets_its_profile_once(sweep: Path) -> None:
    """The picture joins the cell's own event files and is not doubled."""
    collection = collect(sweep)
    cell = collection.results["cell"][0]
    rows = collection.ledger[collection.ledger["cell"] == cell]
    for _ in range(2):
        write_cell_dashboard(SweepFolder(sweep).cell(cell), rows)
    folder = SweepFolder(sweep).cell(cell).tensorboard
    assert len(list(folder.iterdir())) == 1
    assert len(_read(folder).Images("depth profile")) == 1


def test_two_reports_at_once_do_not_stumble_over_each_other(sweep: Path, monkeypatch) -> None:
    """A file that another process has removed in the meantime is gone, which is what was wanted."""
    collection, search = collect(sweep), Path.glob

    def stale(path: Path, pattern: str) -> list[Path]:
        return [*search(path, pattern), path / "events.out.tfevents.gone.profile"]

    monkeypatch.setattr(Path, "rglob", stale)
    monkeypatch.setattr(Path, "glob", stale)
    assert len(write_dashboards(sweep)) == 2 * 3
    cell = collection.results["cell"][0]
    rows = collection.ledger[collection.ledger["cell"] == cell]
    write_cell_dashboard(SweepFolder(sweep).cell(cell), rows)


def test_a_run_that_was_stopped_early_stays_where_it_is(tmp_path: Path) -> None:
    """Its network is what it was: no value is missing, while a diverged run has none."""
    steps = {"step": [0, 50, 100]}
    write_cell(tmp_path, "a", {"seed": 0}, history=steps | {"val/loss": [3.0, 2.0, 1.0]})
    early = {"step": [0, 50], "val/loss": [3.0, 2.5]}
    write_cell(tmp_path, "b", {"seed": 1}, history=early, stopped_at=50)
    write_cell(tmp_path, "c", {"seed": 2}, history=early, diverged_at=77)
    _, values = histories(tmp_path, ["a", "b", "c"], ["val/loss"])["val/loss"]
    np.testing.assert_array_equal(values, [[3.0, 2.0, 1.0], [3.0, 2.5, 2.5], [3.0, 2.5, np.nan]])


@pytest.mark.parametrize("torn", ["{", "[]", '{"history": {"step": [0], "val/loss": 1.0}}', None])
def test_a_record_that_cannot_be_used_has_no_curve(tmp_path: Path, torn: str | None) -> None:
    """Torn, of another kind, or gone: the other cells keep theirs."""
    for seed, name in enumerate("ab"):
        write_cell(tmp_path, name, {"seed": seed}, history={"step": [0], "val/loss": [3.0]})
    record = SweepFolder(tmp_path).cell("b").record
    record.unlink() if torn is None else record.write_text(torn)
    _, values = histories(tmp_path, ["a", "b"], ["val/loss"])["val/loss"]
    np.testing.assert_array_equal(values, [[3.0], [np.nan]])
