"""Launchers: whatever runs the jobs, the same cells come out."""

import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import InstantiationException
from hydra.types import HydraContext, RunMode
from tests.app.command import TINY
from tests.app.composing import cell, composed_whole, options, vary

from experiments.app import run as running
from experiments.app.build import group_key
from experiments.app.conf_dir import conf_dir
from experiments.app.run import run_cells
from experiments.app.schema import register
from experiments.app.train import task
from experiments.reporting.collect import collect
from experiments.training.stack import Stack

HOW = ["seconds", "facts", "versions"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("seed", (0, 1)),
        ("optimizer.lr", (0.1, 1)),
        ("optimizer.momentum", (0.0, 0.9)),
        ("optimizer.weight_decay", (0, 0.5)),
        ("data.seed", (0, 1)),
        ("data.label_noise", (0.0, 0.2)),
        ("initializer.sigma_b", (0.0, 1.0)),
        ("initializer.distribution", ("normal", "uniform")),
        ("name", ("a", "b")),
        ("runs_dir", ("a", "b")),
    ],
)
def test_what_a_run_has_for_itself_does_not_divide_a_group(key, values) -> None:
    """Seeds, scales, splits and the optimiser's numbers may differ within a stack."""
    one, other = vary(cell(), {key: values})
    assert group_key(one) == group_key(other)


@pytest.mark.parametrize("study", options("study"))
def test_a_study_takes_any_launcher(study) -> None:
    """A setting of the stacked launcher in a study's file would be refused by all others."""
    config = composed_whole(f"study={study}", "hydra/launcher=basic")
    assert config.hydra.launcher._target_.endswith(".BasicLauncher")


def test_large_data_sets_and_those_that_cannot_be_read_divide_groups() -> None:
    """A stack holds several data sets only where they are small; what fails, fails in its own run."""
    large = vary(cell("data.examples=400000"), {"data.seed": (0, 1)})
    assert len(set(map(group_key, large))) == 2
    unread = vary(cell(), {"data.train_examples": (10**9, 10**8)})
    assert len(set(map(group_key, unread))) == 2


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("model.depth", (1, 2)),
        ("model.width", (4, 5)),
        ("model.skip", (False, True)),
        ("activation.derivative", ("exact", "native")),
        ("loss.link", ("identity", "sigmoid")),
        ("data.validation", (10, 20)),
        ("optimizer.nesterov", (False, True)),
        ("trainer.max_steps", (10, 20)),
        ("trainer.batch_size", (8, None)),
        ("trainer.precision", ("32-true", "64-true")),
        ("probe.every", (None, 5)),
    ],
)
def test_shapes_and_rules_divide_groups(key, values) -> None:
    """What cannot be one computation is not put into one stack."""
    like = cell("loss=half_squared_error", "probe=ledger")
    one, other = vary(like, {key: values})
    assert group_key(one) != group_key(other)


def test_a_group_beyond_the_memory_is_cut_into_stacks(tmp_path, monkeypatch) -> None:
    """Every cell is trained exactly once, in stacks of about equal size within the bound."""
    like = cell("trainer.stack_memory=1", "trainer.max_steps=1", runs_dir=tmp_path)
    cells = vary(like, {"seed": range(7)})
    monkeypatch.setattr(Stack, "largest", lambda *_: 3)
    sizes = []
    original = running.train

    def counting(stack, writers):
        sizes.append(len(stack.runs))
        return original(stack, writers)

    monkeypatch.setattr(running, "train", counting)
    assert run_cells(cells) == {one.id: "finished" for one in cells}
    assert sorted(sizes) == [1, 3, 3]


def test_a_stack_that_raises_leaves_no_file_open(tmp_path, monkeypatch) -> None:
    """Curves are closed before the cells are tried alone, and after the one that fails again."""
    like = cell("logger=csv", "trainer.max_steps=1", runs_dir=tmp_path)
    cells = vary(like, {"seed": [0, 1]})
    files = []
    original = running.train

    def failing(stack, writers):
        assert all(file.closed for file in files)
        files.extend(writer._file for mine in writers for writer in mine)
        if any(run.seed == 1 for run in stack.runs):
            raise RuntimeError("as a broken room would")
        return original(stack, writers)

    monkeypatch.setattr(running, "train", failing)
    assert run_cells(cells) == {cells[0].id: "finished", cells[1].id: "failed"}
    assert len(files) == 4
    assert all(file.closed for file in files)


def test_a_cell_that_cannot_be_written_fails_alone(tmp_path, monkeypatch) -> None:
    """The results of the other cells of its stack are kept, and it is tried again next time."""
    cells = vary(cell("trainer.max_steps=1", runs_dir=tmp_path), {"seed": [0, 1, 2]})
    original = running.write_outcome

    def full(one, outcome, columns):
        if one is cells[1]:
            raise OSError(28, "No space left on device")
        return original(one, outcome, columns)

    monkeypatch.setattr(running, "write_outcome", full)
    statuses = ["finished", "failed", "finished"]
    assert list(run_cells(cells).values()) == statuses
    assert "No space left" in cells[1].folder.traceback.read_text()
    monkeypatch.undo()
    assert list(run_cells(cells).values()) == [None, "finished", None]
    assert not cells[1].folder.traceback.exists()


def test_equal_cells_are_run_once(tmp_path, monkeypatch) -> None:
    """A sweep may name a cell twice (1 and 1.0); it has one folder and one row."""
    like = cell("trainer.max_steps=1", runs_dir=tmp_path)
    cells = vary(like, {"optimizer.lr": (1, 1.0, 1)})
    calls = []
    original = running.train

    def counting(stack, writers):
        calls.append(len(stack.runs))
        return original(stack, writers)

    monkeypatch.setattr(running, "train", counting)
    assert run_cells(cells) == {cells[0].id: "finished"}
    assert calls == [1]


JOBS = [["seed=0", "model.depth=1"], ["seed=1", "model.depth=1"], ["seed=0", "model.depth=2"]]


def launched(launcher: str, given: Sequence[str]) -> Sequence[JobReturn]:
    """What a launcher returns to Hydra for the three jobs."""
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        overrides = [*TINY, *given, f"hydra/launcher={launcher}"]
        master = loader.load_configuration("config", overrides, RunMode.MULTIRUN)
        before = HydraConfig.instance().cfg
        try:
            HydraConfig.instance().set_config(master)
            made = Plugins.instance().instantiate_launcher(
                config=master,
                hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
                task_function=getattr(task, "__wrapped__", task),
            )
            return made.launch([[*overrides, *job] for job in JOBS], initial_job_idx=0)
        finally:
            HydraConfig.instance().cfg = before


def test_stacked_returns_to_hydra_what_each_job_alone_returns(tmp_path) -> None:
    """Value, status, overrides, config and name, job by job."""
    alone = launched("basic", [f"runs_dir={tmp_path}", "name=alone"])
    stacked = launched("stacked", [f"runs_dir={tmp_path}", "name=stacked"])
    assert len(stacked) == 3
    for one, other in zip(alone, stacked, strict=True):
        assert other.return_value == one.return_value
        assert other.status == one.status
        assert other.task_name == one.task_name
        assert [
            line for line in other.overrides if "name=" not in line and "launcher" not in line
        ] == [line for line in one.overrides if "name=" not in line and "launcher" not in line]
        assert dict(other.cfg) | {"name": ""} == dict(one.cfg) | {"name": ""}
    tables = [collect(tmp_path / name).results.drop(columns=HOW) for name in ("alone", "stacked")]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4, atol=1e-6)


def test_shares_divide_the_cells(tmp_path) -> None:
    """Every cell falls to exactly one share, and together they are the whole sweep."""
    done: list[set[str]] = []
    for share in (0, 1):
        given = [f"runs_dir={tmp_path}", f"hydra.launcher.share={share}", "hydra.launcher.shares=2"]
        launched("stacked", given)
        done.append({path.parent.name for path in tmp_path.glob("*/cells/*/record.json")})
    assert len(done[1]) == 3
    assert done[0] == {cell for cell in done[1] if int(cell, 16) % 2 == 0}


@pytest.mark.parametrize(("share", "shares"), [(2, 2), (-1, 2), (0, 0)])
def test_a_share_that_is_none_is_refused(tmp_path, share, shares) -> None:
    """Shares are numbered from 0."""
    given = [f"hydra.launcher.share={share}", f"hydra.launcher.shares={shares}"]
    with pytest.raises(InstantiationException, match=f"found share={share} of shares={shares}"):
        launched("stacked", [f"runs_dir={tmp_path}", *given])


def command(*arguments: str) -> list[str]:
    """A sweep in an interpreter of its own."""
    return [sys.executable, str(ROOT / "scripts" / "train.py"), "-m", *TINY, *arguments]


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
        ["hydra/launcher=stacked", "hydra.launcher.workers=2"],
    ],
    ids=["joblib", "two workers"],
)
def test_processes_side_by_side_give_the_same_table(tmp_path, launcher) -> None:
    """Cells trained in other processes have the records of cells trained in this one."""
    axes = ["model.depth=1,2", "seed=0,1"]
    for name, how in (("here", ["hydra/launcher=stacked"]), ("there", launcher)):
        done = subprocess.run(
            command(*axes, *how, f"name={name}"), cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    tables = [collect(tmp_path / "runs" / n).results.drop(columns=HOW) for n in ("here", "there")]
    assert len(tables[0]) == 4
    pd.testing.assert_frame_equal(*tables, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("codes", "status"),
    [((0, 0), 0), ((0, 1), 1), ((0, -9), 1), ((KeyboardInterrupt, 130, 130), 130)],
)
def test_every_gpu_has_its_share_and_the_end_of_all_counts(monkeypatch, codes, status) -> None:
    """What a signal ended has a negative code and is a failure; an interrupt waits for all of them."""
    door = runpy.run_path(str(ROOT / "scripts" / "train_all_gpus.py"))
    waiting, shares = list(codes), []

    def wait() -> int:
        if (code := waiting.pop(0)) is KeyboardInterrupt:
            raise KeyboardInterrupt
        return code

    def started(command: list[str], env: object) -> SimpleNamespace:
        shares.append(next(word for word in command if "launcher.share=" in word))
        return SimpleNamespace(wait=wait)

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(sys, "argv", ["train_all_gpus.py", "--devices", "cpu,cpu", "seed=1"])
    assert door["main"]() == status
    assert not waiting
    assert shares == ["hydra.launcher.share=0", "hydra.launcher.share=1"]


@pytest.mark.parametrize(
    ("inherited", "devices", "seen"),
    [
        (None, None, ["0", "1"]),
        (None, "1,3", ["1", "3"]),
        ("2,3", None, ["2", "3"]),
        ("4,5,6", "0,2", ["4", "6"]),
        ("MIG-a,MIG-b,MIG-c", None, ["MIG-a", "MIG-b", "MIG-c"]),
        ("GPU-a,GPU-b", "1,cpu", ["GPU-b", "GPU-a,GPU-b"]),
    ],
)
def test_every_process_sees_its_own_of_the_gpus_that_were_given(
    monkeypatch, inherited, devices, seen
) -> None:
    """What a scheduler assigns in CUDA_VISIBLE_DEVICES is divided, by number, UUID or MIG instance."""
    door, found = runpy.run_path(str(ROOT / "scripts" / "train_all_gpus.py")), []

    def started(command: list[str], env: Mapping[str, str]) -> SimpleNamespace:
        found.append(env["CUDA_VISIBLE_DEVICES"])
        return SimpleNamespace(wait=lambda: 0)

    if inherited is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", inherited)
    asked = [] if devices is None else ["--devices", devices]
    monkeypatch.setattr(sys, "argv", ["train_all_gpus.py", *asked])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(subprocess, "Popen", started)
    assert door["main"]() == 0
    assert found == seen


@pytest.mark.parametrize("inherited", ["4,5", ""])
def test_a_gpu_beyond_those_that_were_given_is_refused(monkeypatch, inherited) -> None:
    """Nothing is started on a device that belongs to somebody else."""
    door = runpy.run_path(str(ROOT / "scripts" / "train_all_gpus.py"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", inherited)
    monkeypatch.setattr(sys, "argv", ["train_all_gpus.py", "--devices", "cpu,2"])
    with pytest.raises(SystemExit, match="found --devices 2 and CUDA_VISIBLE_DEVICES="):
        door["main"]()


@pytest.mark.skipif(shutil.which("bash") is None, reason="the script is bash")
def test_a_task_of_a_slurm_array_has_its_share() -> None:
    """Numbered from the array's first task; each is one task for SLURM, as Lightning demands."""
    script = ROOT / "scripts" / "slurm_array.sh"
    given = {"PYTHON": "echo", "SLURM_SUBMIT_DIR": str(ROOT), "SLURM_ARRAY_TASK_ID": "5"}
    array = {"SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "3"}
    done = subprocess.run(
        ["bash", str(script), "seed=1"],
        env=os.environ | given | array,
        capture_output=True,
        text=True,
        check=True,
    )
    command = done.stdout.split()
    assert {"seed=1", "hydra.launcher.share=1", "hydra.launcher.shares=3"} <= set(command)
    assert "#SBATCH --ntasks=1" in script.read_text().splitlines()


@pytest.mark.slow
def test_a_killed_sweep_continues(tmp_path) -> None:
    """SIGKILL in the middle, then the same command: the table of a sweep that was never disturbed."""
    axes = ["model.depth=range(1,9)", "seed=0,1", "trainer.max_steps=1500"]
    axes += ["hydra/launcher=stacked", "hydra.launcher.workers=1"]
    killed = subprocess.Popen(
        command(*axes, "name=killed"),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    patience = time.monotonic() + 120
    records = tmp_path / "runs" / "killed" / "cells"
    while len(list(records.glob("*/record.json"))) < 4 and time.monotonic() < patience:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    before = {path: path.stat().st_mtime_ns for path in records.glob("*/record.json")}
    assert 4 <= len(before) < 16, "killed too late for this machine: raise max_steps"
    for name in ("killed", "whole"):
        done = subprocess.run(
            command(*axes, f"name={name}"), cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    killed_table, whole = (
        collect(tmp_path / "runs" / name).results.drop(columns=HOW) for name in ("killed", "whole")
    )
    pd.testing.assert_frame_equal(killed_table, whole, rtol=1e-4, atol=1e-6)
