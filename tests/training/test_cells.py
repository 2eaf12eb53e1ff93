"""A cell's identity, and the files it leaves behind."""

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.app.composing import cell, composed, trained, vary

from experiments.app.build import stack_of
from experiments.app.cells import cell_of
from experiments.core.errors import CheckpointError
from experiments.training import cells as cells_module
from experiments.training.cells import (
    Cell,
    identity,
    read_checkpoint,
    write_config,
    write_failure,
    write_outcome,
    write_record,
)

#: what says where results go, or what computes them
ELSEWHERE = {
    "name": "other",
    "runs_dir": "/somewhere/else",
    "study": "experiments.studies.VanishingGradient",
    "data.folder": "/data",
    "data.data_home": "/cache",
    "trainer.accelerator": "gpu",
    "trainer.progress_bar": True,
    "trainer.checkpoint": False,
    "trainer.threads": 2,
    "trainer.stack_memory": 7,
    "trainer.cuda_graph": False,
    "trainer.numba": "never",
}
#: what changes the numbers
ELSE = {
    "seed": 1,
    "model.depth": 3,
    "model.width": 7,
    "model.skip": True,
    "activation.derivative": "native",
    "loss.link": "softmax",
    "optimizer.lr": 0.2,
    "initializer.sigma_b": 0.5,
    "data.validation": 11,
    "trainer.max_steps": 31,
    "trainer.batch_size": None,
    "trainer.precision": "64-true",
    "trainer.subnormals": "keep",
}


def mnist() -> Cell:
    """A cell whose data set has paths; it is not loaded."""
    return cell_of(*composed("data=mnist", "loss=mean_squared_error"))


@pytest.mark.parametrize("key", ELSEWHERE)
def test_where_a_cell_lies_is_not_what_it_is(key) -> None:
    """Outputs, paths and devices leave the identity alone."""
    assert vary(mnist(), {key: [ELSEWHERE[key]]})[0].id == mnist().id


@pytest.mark.parametrize("key", ELSE)
def test_what_changes_the_numbers_changes_the_identity(key) -> None:
    """Seeds, shapes, rules and arithmetic make another cell."""
    assert vary(mnist(), {key: [ELSE[key]]})[0].id != mnist().id


def test_the_curves_files_do_not_matter() -> None:
    """The logger says where curves go."""
    assert cell("logger=tensorboard").id == cell("logger=csv").id == cell("logger=none").id


@given(st.integers(-(2**53), 2**53))
def test_numbers_count_by_value(number) -> None:
    """1 and 1.0 are the same setting, alone or in a list."""
    assert identity({"x": number, "y": [number]}) == identity(
        {"x": float(number), "y": [float(number)]}
    )


@given(st.integers(0, 2**128), st.integers(0, 2**128))
def test_large_seeds_are_distinct(one, other) -> None:
    """No rounding makes two seeds one cell."""
    assert (identity({"seed": one}) == identity({"seed": other})) == (one == other)


def test_truth_is_no_number() -> None:
    """true and 1 are different settings."""
    assert identity({"x": True}) != identity({"x": 1})


def test_a_starting_checkpoint_counts_by_its_contents(tmp_path) -> None:
    """Two copies are one start; another file under the same name is another."""
    one, copy = tmp_path / "one", tmp_path / "copy"
    one.write_bytes(b"weights")
    copy.write_bytes(b"weights")
    here = identity({"checkpoint": str(one)}, one)
    assert here == identity({"checkpoint": str(copy)}, copy)
    assert here != identity({"checkpoint": None})
    one.write_bytes(b"other weights")
    assert here != identity({"checkpoint": str(one)}, one)


def test_the_order_of_settings_does_not_matter() -> None:
    """A config is a mapping."""
    assert identity({"a": 1, "b": {"c": 2}}) == identity({"b": {"c": 2}, "a": 1})


def finished(folder: Path) -> Cell:
    """A cell with everything written."""
    one = cell("probe=ledger", runs_dir=folder)
    write_config(one)
    write_outcome(one, trained([one])[0], stack_of([one]).ledger.columns)
    return one


def test_everything_a_finished_cell_leaves(tmp_path) -> None:
    """Config, record, ledger and checkpoint, nothing temporary, under the cell's identity."""
    one = finished(tmp_path)
    assert one.folder.path == tmp_path / "default" / "cells" / one.id
    assert {path.name for path in one.folder.path.iterdir()} == {
        "config.yaml",
        "record.json",
        "ledger.parquet",
        "checkpoint",
    }
    assert one.is_over()
    record = json.loads(one.folder.record.read_text())
    assert record["cell"] == one.id
    assert record["status"] == "finished"
    assert record["steps"] == 30
    assert record["error"] is None
    assert record["axes"]["seed"] == 0
    assert record["axes"]["activation"] == "tanh"
    assert record["axes"]["model.depth"] == 2
    assert record["versions"]["torch"] == torch.__version__
    assert len(pq.read_table(one.folder.ledger)) == 2 * 3


def test_a_written_config_is_the_cell(tmp_path) -> None:
    """config.yaml, read back, has the cell's identity and its exact numbers."""
    one = vary(cell(runs_dir=tmp_path), {"optimizer.lr": [0.1 + 0.2], "seed": [2**70]})[0]
    write_config(one)
    read = yaml.safe_load(one.folder.config.read_text())
    assert read == dict(one.config)
    assert identity(read) == one.id


def test_a_written_config_keeps_types(tmp_path) -> None:
    """Keys that are numbers, and values that compare equal but are not of one type."""
    one = cell(runs_dir=tmp_path)
    for value in (1, True, 1.0, "1", None, {1: 2.0}, {"1": 2}, {True: []}):
        write_config(dataclasses.replace(one, config={**one.config, "data": value}))
        read = yaml.safe_load(one.folder.config.read_text())["data"]
        assert repr(read) == repr(value)


#: a cell that owes its record and no other file
NOTHING_ELSE = ("probe=none", "logger=none", "trainer.checkpoint=false")


@pytest.mark.parametrize("status", ["finished", "diverged", "failed"])
def test_which_cells_are_over(tmp_path, status) -> None:
    """A failed cell may be tried again; the other ends are final."""
    one = cell(*NOTHING_ELSE, runs_dir=tmp_path)
    assert not one.is_over()
    write_config(one)
    assert not one.is_over()
    write_record(one, {"status": status, "metrics": {}})
    assert one.is_over() == (status != "failed")


@pytest.mark.parametrize(
    ("logger", "owed"), [("csv", "metrics.csv"), ("tensorboard", "tensorboard")]
)
def test_a_cell_owes_the_curves_it_is_asked_for(tmp_path, logger, owed) -> None:
    """A cell that wrote none is over until somebody asks for them, and again when they are there."""
    quiet = cell(*NOTHING_ELSE, runs_dir=tmp_path)
    write_config(quiet)
    write_record(quiet, {"status": "finished", "metrics": {}})
    asked = cell(*NOTHING_ELSE, f"logger={logger}", runs_dir=tmp_path)
    assert asked.id == quiet.id
    assert quiet.is_over()
    assert not asked.is_over()
    (asked.folder.path / owed).touch()
    assert asked.is_over()


@pytest.mark.parametrize("torn", ["", "{", '{"status": "fini', "[]", "null"])
def test_a_torn_record_is_no_record(tmp_path, torn) -> None:
    """Whatever half a file holds, the cell is run again."""
    one = cell(runs_dir=tmp_path)
    write_config(one)
    one.folder.record.write_text(torn)
    assert not one.is_over()


def test_a_killed_failure_leaves_no_half_a_traceback(tmp_path, monkeypatch) -> None:
    """traceback.txt, too, comes into its place whole, in UTF-8 whatever the machine's encoding."""
    one = cell(*NOTHING_ELSE, runs_dir=tmp_path)
    written: dict[str, str | None] = {}
    original = Path.write_text

    def noted(path: Path, text: str, encoding: str | None = None) -> int:
        written[path.suffix] = encoding
        if "σ" in text:
            original(path, text[: len(text) // 2], encoding=encoding)
            raise KeyboardInterrupt
        return original(path, text, encoding=encoding)

    monkeypatch.setattr(Path, "write_text", noted)
    with pytest.raises(KeyboardInterrupt):
        write_failure(one, ValueError("σ is not finite"), 0.5)
    assert written == {".tmp": "utf-8"}
    assert [path.name for path in one.folder.path.iterdir()] == ["config.yaml"]


def test_killed_before_the_rename_there_is_no_record(tmp_path, monkeypatch) -> None:
    """A process killed between writing and renaming leaves the cell open, and the old record whole."""
    one = cell(*NOTHING_ELSE, runs_dir=tmp_path)
    write_config(one)
    write_record(one, {"status": "failed", "metrics": {}})
    before = one.folder.record.read_text()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(Path, "replace", killed)
        dying.setattr(Path, "unlink", lambda *_, **__: None)  # the dead do not tidy up
        with pytest.raises(KeyboardInterrupt):
            write_record(one, {"status": "finished", "metrics": {}})
    assert len(list(one.folder.path.iterdir())) == 3, "config, old record, and a leftover"
    assert one.folder.record.read_text() == before
    assert not one.is_over()
    write_record(one, {"status": "finished", "metrics": {}})
    assert one.is_over()


def test_an_error_while_writing_leaves_nothing_behind(tmp_path, monkeypatch) -> None:
    """The temporary file goes when its contents cannot be made."""
    one = cell(runs_dir=tmp_path)
    write_config(one)

    def refuse(*_: object, **__: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(cells_module.json, "dumps", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_record(one, {"status": "finished", "metrics": {}})
    assert [path.name for path in one.folder.path.iterdir()] == ["config.yaml"]


def test_a_failure_leaves_its_traceback_until_the_cell_finishes(tmp_path) -> None:
    """traceback.txt names the error; a later success takes it away."""
    one = cell(runs_dir=tmp_path)
    try:
        raise RuntimeError("first line\nsecond line")
    except RuntimeError as error:
        record = write_failure(one, error, 1.5)
    assert record["status"] == "failed"
    assert record["error"] == "RuntimeError: first line"
    text = one.folder.traceback.read_text()
    assert "second line" in text
    assert "test_a_failure_leaves_its_traceback" in text
    assert not one.is_over()
    write_outcome(one, trained([one])[0], ())
    assert not one.folder.traceback.exists()
    assert one.is_over()


def test_a_failure_takes_away_what_an_earlier_success_left(tmp_path) -> None:
    """Trained anew for another file and failed: the ledger would give a failed cell rows."""
    one = finished(tmp_path)
    assert one.folder.checkpoint.exists()
    one.folder.ledger.write_bytes(b"rows")
    write_failure(one, MemoryError("too large"), 0.5)
    assert {path.name for path in one.folder.path.iterdir()} == {
        "config.yaml",
        "record.json",
        "traceback.txt",
    }


def test_a_checkpoint_holds_the_final_weights(tmp_path) -> None:
    """Named as in an MLP of this run alone, whose strict loading takes them."""
    one = finished(tmp_path)
    state = read_checkpoint(one.folder.checkpoint)
    alone = stack_of([one]).build()
    names = [name for name, _ in alone.named_parameters()]
    assert sorted(state) == sorted(names)
    assert all(state[name].shape == p.shape[1:] for name, p in alone.named_parameters())


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_checkpoint_cut_short_is_refused(tmp_path, kept) -> None:
    """The message names the file, says what it looks like, and what to give instead."""
    path = finished(tmp_path).folder.checkpoint
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"found .*checkpoint.*cut short.*expected.*name the"):
        read_checkpoint(path)


@pytest.mark.parametrize("thing", [[1, 2], {"w": 3}, torch.zeros(2)], ids=repr)
def test_another_kind_of_file_is_refused(tmp_path, thing) -> None:
    """A file that torch can read but that holds no weights is named for what it holds."""
    path = tmp_path / "checkpoint"
    torch.save(thing, path)
    with pytest.raises(CheckpointError, match="named tensors"):
        read_checkpoint(path)


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path) -> None:
    """The path is named."""
    with pytest.raises(CheckpointError, match="nowhere"):
        read_checkpoint(tmp_path / "nowhere")
