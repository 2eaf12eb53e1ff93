"""From the command line to the tables: runs, sweeps, what is skipped, retried, added, and what fails."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from pandas import DataFrame
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.app.command import TINY, Answer, train
from tests.training.emulated_device import emulated_gpu

from experiments.activations import Tanh
from experiments.app import run as running
from experiments.app.build import make
from experiments.initializers import Glorot
from experiments.losses import CrossEntropy
from experiments.models import MLP
from experiments.studies.reading.rooms import dataset_of
from experiments.training.cells import identity, read_checkpoint

#: settings and timings that differ from launcher to launcher
HOW = ["seconds", "facts", "versions"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def sweep(*arguments: str, launcher: str = "stacked") -> Answer:
    """``-m`` on the tiny problem; the command line wants the flag first."""
    return train("-m", *TINY, *arguments, f"hydra/launcher={launcher}")


def results(name: str = "default") -> DataFrame:
    """One row a cell."""
    return pd.read_parquet(Path("runs") / name / "results.parquet")


def ledger(name: str = "default") -> DataFrame:
    """One row a cell, step and layer."""
    return pd.read_parquet(Path("runs") / name / "ledger.parquet")


def folder(row: pd.Series) -> Path:
    """Where a row's cell lies."""
    return Path("runs/default/cells") / row["cell"]


def times() -> dict[str, int]:
    """When every record was written."""
    return {p.parent.name: p.stat().st_mtime_ns for p in Path().glob("runs/*/cells/*/record.json")}


def test_a_sweep_on_a_gpu_gives_the_tables_of_the_cpu() -> None:
    """From the command line, with ledger and diverging runs; the GPU is emulated."""
    settings = ("probe=ledger", "seed=1,2", "optimizer.lr=0.1,1e30", "trainer.precision=64-true")
    with emulated_gpu() as graphs:
        assert sweep(*settings, "trainer=gpu", "name=gpu").status == 0
    assert graphs
    assert sweep(*settings, "name=cpu").status == 0
    for table in (results, ledger):
        there, here = (
            table(name).drop(
                columns=["cell", "trainer", "trainer.accelerator", *HOW], errors="ignore"
            )
            for name in ("gpu", "cpu")
        )
        pd.testing.assert_frame_equal(there, here, rtol=1e-9)


def test_one_run_is_a_table_of_one_row() -> None:
    """Every axis under its config key, every metric, the ledger beside it, a report, and status 0."""
    answer = train(*TINY, "seed=4", "optimizer.lr=0.25", report=True)
    assert answer.status == 0, answer.err
    (row,) = [row for _, row in results().iterrows()]
    assert row["status"] == "finished"
    expected = {
        "activation": "tanh",
        "initializer": "glorot",
        "loss": "cross_entropy",
        "loss.link": "softmax",
        "data": "rings",
        "optimizer": "sgd",
        "optimizer.lr": 0.25,
        "model.depth": 1,
        "model.width": 4,
        "seed": 4,
    }
    assert {key: row[key] for key in expected} == expected
    metrics = ["train/loss", "val/loss", "val/accuracy", "test/loss", "test/accuracy", "seconds"]
    assert np.isfinite(row[metrics].astype(float)).all()
    assert set(ledger()["step"]) == {0, 4}
    assert set(ledger()["layer"]) == {2, 3}
    assert set(ledger()["cell"]) == {row["cell"]}
    assert Path("runs/default/report.html").is_file()
    assert row["cell"] in {path.name for path in Path("runs/default/cells").iterdir()}
    assert "1 finished" in answer.out


def test_the_folder_is_runs_dir_and_name() -> None:
    """Both are settings; nothing is written elsewhere."""
    assert train(*TINY, "runs_dir=here/there", "name=mine").status == 0
    assert Path("here/there/mine/results.parquet").is_file()
    assert [path.name for path in Path().iterdir()] == ["here"]


def test_basic_and_stacked_give_the_same_tables() -> None:
    """The same cells, and the same numbers to float32's rounding, with several stacks and rates."""
    axes = ("activation=tanh,relu", "seed=0,1", "optimizer.lr=0.1,0.3")
    assert sweep(*axes, "name=one_by_one", launcher="basic").status == 0
    assert sweep(*axes, "name=stacked").status == 0
    one_by_one, stacked = results("one_by_one"), results("stacked")
    assert len(stacked) == 8
    pd.testing.assert_frame_equal(
        one_by_one.drop(columns=HOW), stacked.drop(columns=HOW), rtol=1e-4, atol=1e-6
    )
    pd.testing.assert_frame_equal(ledger("one_by_one"), ledger("stacked"), rtol=1e-3, atol=1e-6)
    facts = [json.loads(text)["stacked_with"] for text in stacked["facts"]]
    assert facts == [4] * 8


def test_what_is_over_is_skipped_and_what_is_new_is_added() -> None:
    """A second run of a sweep trains only the seeds and axes that were not there."""
    assert sweep("seed=0,1").status == 0
    first, before = results(), times()
    answer = sweep("seed=0,1")
    assert "skipped, already over: 2 of" in answer.out
    assert times() == before
    pd.testing.assert_frame_equal(results(), first)
    assert sweep("seed=0,1,2", "model.depth=1,2").status == 0
    assert before.items() <= times().items()
    assert len(results()) == 6
    kept = results().set_index("cell").loc[first["cell"]].reset_index()
    pd.testing.assert_frame_equal(kept, first, check_like=True)


def test_a_diverged_cell_is_no_failure_and_stays_as_it_is() -> None:
    """Status 0; the row has the step, the others their numbers, and a second run skips it."""
    wild = ("loss=half_squared_error", "activation=relu", "optimizer.lr=0.01,1e30", "seed=0,1")
    assert sweep(*wild).status == 0
    table = results().sort_values("optimizer.lr")
    assert list(table["status"]) == ["finished", "finished", "diverged", "diverged"]
    assert table["diverged_at"].notna().tolist() == [False, False, True, True]
    before = times()
    answer = sweep(*wild)
    assert answer.status == 0
    assert times() == before


def test_a_failed_cell_is_retried(monkeypatch) -> None:
    """It leaves a traceback and status 1; once the cause is gone a second run makes it finish."""

    def broken(*_: object) -> None:
        raise RuntimeError("the machine is on fire")

    with monkeypatch.context() as trouble:
        trouble.setattr(running, "train", broken)
        answer = train(*TINY, report=True)
    assert answer.status == 1
    (row,) = [row for _, row in results().iterrows()]
    assert row["status"] == "failed"
    assert row["error"] == "RuntimeError: the machine is on fire"
    assert "on fire" in answer.out
    assert "on fire" in (folder(row) / "traceback.txt").read_text()
    assert train(*TINY).status == 0
    assert list(results()["status"]) == ["finished"]
    assert not (folder(row) / "traceback.txt").exists()


def test_one_guilty_cell_fails_alone() -> None:
    """Three runs share a stack, one starts from a checkpoint of another shape: two finish."""
    assert train(*TINY, "model.width=5").status == 0
    (wrong,) = Path("runs/default/cells").glob("*/checkpoint")
    answer = sweep(f"checkpoint=null,{wrong}", "seed=0,1", "name=mixed")
    assert answer.status == 1
    table = results("mixed")
    assert sorted(table["status"]) == ["failed", "failed", "finished", "finished"]
    failed = table[table["status"] == "failed"]
    assert (
        failed["error"].str.contains("found a checkpoint whose layers.0.weight is of shape").all()
    )
    for cell in failed["cell"]:
        assert {p.name for p in Path("runs/mixed/cells", cell).iterdir()} == {
            "config.yaml",
            "record.json",
            "traceback.txt",
        }


def test_a_cell_that_does_not_fit_into_memory_fails_and_the_others_go_on() -> None:
    """Sizes are not capped in advance, and it fails before a weight is drawn."""
    answer = sweep("model.width=4,1000000000000", "hydra.launcher.workers=1")
    assert answer.status == 1
    table = results().sort_values("model.width")
    assert list(table["status"]) == ["finished", "failed"]
    assert "GiB of this machine" in table["error"].iloc[1]


def test_data_sets_smaller_than_a_batch_are_one_batch() -> None:
    """As of a DataLoader; the record says how large a batch was."""
    small = ("data=higham,one_point", "loss=squared_error", "trainer.max_steps=2", "trainer=cpu")
    assert train("-m", *small, "logger=none").status == 0
    facts = [json.loads(text)["batch"] for text in results()["facts"]]
    assert sorted(facts) == [1, 10]


def test_the_function_of_a_data_set_is_an_axis() -> None:
    """Cells that learn different functions are different configurations, and their rows say so."""
    targets = "data.target._target_=experiments.data.sine,experiments.data.tent"
    options = ("data=unit_cube", "data.train_examples=30", "loss=mean_squared_error", "logger=none")
    size = ("model.width=3", "trainer.max_steps=2", "trainer.batch_size=null", "trainer=cpu")
    assert train("-m", *options, *size, targets).status == 0
    table = results()
    assert sorted(table["data.target"]) == ["sine", "tent"]
    assert "data.target._partial_" not in table
    functions = [dataset_of(row).target.func.__name__ for row in table.to_dict("records")]
    assert functions == list(table["data.target"])


def test_settings_of_which_only_some_are_impossible() -> None:
    """In a sweep the impossible cell fails by name; the possible one finishes."""
    answer = sweep("model.depth=-1,1")
    assert answer.status == 1
    table = results().sort_values("model.depth")
    assert list(table["status"]) == ["failed", "finished"]
    assert table["error"].iloc[0].startswith("ConfigurationError: found model.depth=-1")


def test_a_checkpoint_is_the_network_that_was_measured() -> None:
    """Loaded strictly into an MLP alone, it gives the recorded test loss."""
    assert train(*TINY, "seed=3").status == 0
    (row,) = [row for _, row in results().iterrows()]
    net = MLP((2, 4, 2), Tanh(), Glorot())
    net.load_state_dict(read_checkpoint(folder(row) / "checkpoint"))
    config = yaml.safe_load((folder(row) / "config.yaml").read_text())
    test = make(config["data"]).load().test
    with torch.no_grad():
        loss = CrossEntropy()(net(test.x), test.t).item()
    assert loss == pytest.approx(row["test/loss"], rel=1e-6)


def test_a_run_starts_where_a_checkpoint_ends() -> None:
    """Without a learning rate the second run's numbers are the first run's last, in a stack too."""
    assert train(*TINY, "seed=1").status == 0
    (row,) = [row for _, row in results().iterrows()]
    start = f"checkpoint={folder(row) / 'checkpoint'}"
    assert sweep(start, "seed=7,8", "optimizer.lr=0", "name=continued").status == 0
    for loss in results("continued")["test/loss"]:
        assert loss == pytest.approx(row["test/loss"], rel=1e-6)


def test_a_cells_config_is_the_cell() -> None:
    """config.yaml has every setting, and its identity is the folder's name."""
    assert train(*TINY, "optimizer=adam", "seed=12").status == 0
    (path,) = Path("runs/default/cells").glob("*/config.yaml")
    assert identity(yaml.safe_load(path.read_text())) == path.parent.name


def test_a_sweep_leaves_nothing_unfinished_behind() -> None:
    """No temporary files, and no folder of Hydra's."""
    assert sweep("seed=0,1").status == 0
    hidden = [path for path in Path("runs").rglob("*") if path.name.startswith(".")]
    assert not hidden
    assert not [path for path in Path("runs").rglob("*") if path.suffix in (".log", ".tmp")]
    assert not Path("multirun").exists()
    assert not Path("outputs").exists()


def test_the_axis_files_multiply() -> None:
    """``sweep=[depth,loss]`` is every depth with every loss."""
    answer = train(*TINY, "sweep=[depth,loss]", "trainer.max_steps=1", "hydra/launcher=stacked")
    assert answer.status == 0, answer.err
    table = results()
    assert len(table) == table["model.depth"].nunique() * table["loss"].nunique()
    assert table["loss"].nunique() == 2


def test_every_cell_of_a_stack_has_its_own_curves() -> None:
    """Both kinds of files at once, with the numbers of this cell's own history."""
    assert sweep("logger=[csv,tensorboard]", "seed=0,1").status == 0
    for cell in Path("runs/default/cells").iterdir():
        history = json.loads((cell / "record.json").read_text())["history"]
        events = EventAccumulator(str(cell / "tensorboard"))
        events.Reload()
        shown = events.Scalars("val/loss")
        assert [event.step for event in shown] == history["step"]
        np.testing.assert_allclose([event.value for event in shown], history["val/loss"], rtol=1e-6)
        rows = pd.read_csv(cell / "metrics.csv")
        assert list(rows[rows["tag"] == "val/loss"]["value"]) == history["val/loss"]


def test_a_regression_has_a_loss_and_no_accuracy() -> None:
    """The table says unknown where a number would have no meaning."""
    small = [word for word in TINY if not word.startswith("data")]
    assert train("data=teacher", "loss=mean_squared_error", *small).status == 0
    (row,) = [row for _, row in results().iterrows()]
    assert np.isfinite(row["test/loss"])
    assert np.isnan(row["test/accuracy"])


def test_a_seed_may_be_any_integer_from_0() -> None:
    """Beyond 64 bits too: in the record, the table and the report."""
    assert train(*TINY, f"seed={2**70}", report=True).status == 0
    assert int(results()["seed"].iloc[0]) == 2**70


@pytest.mark.parametrize("what", ["ledger", "pages", "metrics", "checkpoint", "tensorboard"])
def test_a_cell_that_owes_a_file_is_trained_again(what) -> None:
    """Damaged tables, or files that were not asked for the first time: the same numbers, all there."""
    places = {"ledger": "ledger.parquet", "pages": "ledger.parquet", "metrics": "record.json"}
    first = {"checkpoint": ["trainer.checkpoint=false"], "tensorboard": ["logger=none"]}
    asked = ["logger=tensorboard", "logger.tensorboard.histograms=false"] * (what == "tensorboard")
    assert train(*TINY, *first.get(what, [])).status == 0
    (before,) = [row for _, row in results().iterrows()]
    damaged = folder(before) / places.get(what, what)
    if what == "ledger":
        damaged.write_bytes(b"torn")
    elif what == "pages":  # only the data, not the footer
        whole = damaged.read_bytes()
        damaged.write_bytes(whole[:10] + bytes(190) + whole[200:])
    elif what == "metrics":
        record = json.loads(damaged.read_text())
        damaged.write_text(json.dumps(record | {"metrics": None}))
    assert train(*TINY, *asked).status == 0
    (after,) = [row for _, row in results().iterrows()]
    assert after["cell"] == before["cell"]
    assert after["train/loss"] == before["train/loss"]
    assert len(ledger())
    assert (folder(after) / places.get(what, what)).exists()


def test_a_cell_that_owes_a_file_and_is_killed_is_trained_once_more(monkeypatch) -> None:
    """Its curves were begun: beside the record of the first time they would count as whole."""
    assert train(*TINY).status == 0

    def killed(stack, writers):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(running, "train", killed)
        assert train(*TINY, "logger=tensorboard").status == 130
    assert list(Path("runs").glob("default/cells/*/tensorboard"))
    assert train(*TINY, "logger=tensorboard").status == 0
    (events,) = Path("runs").glob("default/cells/*/tensorboard")
    curves = EventAccumulator(str(events))
    curves.Reload()
    assert [point.step for point in curves.Scalars("train/loss")] == [0, 2, 4]


def test_the_sizes_in_the_table_are_the_network_s() -> None:
    """model.hidden overrides depth and width, model.parameters the width, in table and identity."""
    assert sweep("model.hidden=[5,5]", "model.depth=2,4").status == 0
    (row,) = [row for _, row in results().iterrows()]
    assert (row["model.depth"], row["model.width"]) == (2, 5)
    assert json.loads(row["facts"])["widths"] == [2, 5, 5, 2]
    assert (
        sweep("model.parameters=47", "model.depth=1,2", "model.width=4,9", "name=price").status == 0
    )
    table = results("price").sort_values("model.depth")
    assert table["model.depth"].tolist() == [1, 2]
    assert table["model.width"].isna().all()
    widths = [json.loads(facts)["widths"] for facts in table["facts"]]
    # 5 n + 2 and n^2 + 6 n + 2 weights and biases on two inputs and two outputs
    assert widths == [[2, 9, 2], [2, 4, 4, 2]]
