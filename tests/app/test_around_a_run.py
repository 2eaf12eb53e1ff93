"""What the command line does around a run: its provenance, its printed account, many processes."""

import gc
import json
import os
import shlex
from pathlib import Path

import pytest
from tests.app.command import TINY, train
from tests.app.composing import cell, vary

from experiments.app import run
from experiments.app.imports import uncollected
from experiments.app.workers import in_order_of_completion, workers_for


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_sweep_says_what_made_it() -> None:
    """study.json: the class that reads it, the command to repeat it, and the settings all share."""
    assert train("-m", *TINY, "seed=0,1", "hydra/launcher=stacked", "optimizer.lr=0.25").status == 0
    made = json.loads(Path("runs/default/study.json").read_text())
    assert made["study"] == "experiments.studies.Sweep"
    assert made["name"] == "default"
    words = shlex.split(made["command"])
    assert words[:2] == ["python", "scripts/train.py"]
    assert words[2:] == ["-m", *TINY, "seed=0,1", "hydra/launcher=stacked", "optimizer.lr=0.25"]
    assert made["config"]["optimizer"]["lr"] == 0.25
    assert "hydra" not in made["config"]


def test_a_study_with_other_settings_says_so() -> None:
    """In the verdicts, before the claim is judged; more seeds or another folder change nothing."""
    small = ("study=learning_slowdown", "seed=0", "name=mine", "logger=none")
    answer = train(*small, "optimizer.lr=0.15", "trainer.max_steps=20", report=True)
    remark = "settings of the command's own: optimizer.lr=0.15, trainer.max_steps=20. The claim,"
    assert remark in " ".join(answer.out.split())
    assert remark in " ".join(
        Path("runs/mine/report.html").read_text().replace("&#39;", "'").split()
    )
    assert json.loads(Path("runs/mine/study.json").read_text())["changed"] == [
        "optimizer.lr=0.15",
        "trainer.max_steps=20",
    ]


def test_a_killed_sweep_has_already_said_so(monkeypatch) -> None:
    """The provenance is there before the first cell is trained."""
    from experiments.app import run as running

    seen = []

    def look(*_: object) -> None:
        seen.append(Path("runs/default/study.json").is_file())
        raise RuntimeError("stop here")

    monkeypatch.setattr(running, "train", look)
    assert train(*TINY).status == 1
    assert seen == [True]


def test_the_provenance_is_whole_at_any_moment(monkeypatch) -> None:
    """Another process may read it: one that is killed while writing leaves the old one."""
    assert train(*TINY).status == 0
    path = Path("runs/default/study.json")
    before = path.read_text()

    def half(self: Path, text: str, **_: object) -> None:
        self.write_bytes(text[: len(text) // 2].encode())
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(Path, "write_text", half)
        assert train(*TINY, "seed=1").status == 130
    assert path.read_text() == before


def test_progress_names_what_was_done() -> None:
    """How many cells, how they ended, and which settings a stack had."""
    out = train("-m", *TINY, "seed=0,1", "model.depth=1,2", "hydra/launcher=stacked").out
    assert "4 cells" in out
    assert "data=rings" in out
    assert "4/4 cells" in out


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["--info", "searchpath"]])
def test_asking_trains_nothing(arguments) -> None:
    """Help, the composed config and Hydra's account of itself leave no trace."""
    answer = train(*arguments)
    assert answer.status == 0
    assert answer.out
    assert not list(Path().iterdir())


def test_help_names_every_option() -> None:
    """The groups and their options, and how to begin."""
    from tests.house.plan import options

    out = train("--help").out
    for group in ("activation", "loss", "initializer", "data", "optimizer", "study", "sweep"):
        assert all(name in out for name in options(group)), group
    assert "python scripts/train.py study=vanishing_gradient" in out


def test_one_worker_is_this_process() -> None:
    """Pieces come in their order, each with its result."""
    assert list(in_order_of_completion(len, ["a", "bb", ""], workers=1)) == [
        ("a", 1),
        ("bb", 2),
        ("", 0),
    ]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="asks Linux for its cores")
def test_processes_are_started_for_long_work_alone() -> None:
    """Their start takes seconds, which seconds of work do not pay for."""
    assert workers_for(1.0) == 1
    assert workers_for(1000.0) == len(os.sched_getaffinity(0))


def test_long_stacks_come_first_and_no_process_is_idle(tmp_path, monkeypatch) -> None:
    """One group of seeds is divided among two processes; the deeper group is begun first."""
    begun: list[tuple[int, int]] = []
    asked: list[int] = []

    def pretend(function, pieces, workers):
        asked.append(workers)
        begun.extend((piece[0].config["model"]["depth"], len(piece)) for piece in pieces)
        return iter(())

    monkeypatch.setattr(run, "in_order_of_completion", pretend)
    base = cell("trainer.max_steps=1000", runs_dir=tmp_path)
    depths, seeds = [1, 1, 1, 1, 9, 9, 9, 9], [0, 1, 2, 3, 0, 1, 2, 3]
    cells = vary(base, {"model.depth": depths, "seed": seeds})
    run.run_cells(cells, workers=2)
    assert begun == [(9, 2), (9, 2), (1, 4)]
    begun.clear()
    run.run_cells([one for one in cells if one.config["model"]["depth"] == 9], workers=2)
    assert begun == [(9, 2), (9, 2)]
    begun.clear()
    run.run_cells(cells, workers=None)
    run.run_cells(cells[:1], workers=8)
    assert asked == [2, 2, 1, 1]


def test_the_long_group_is_divided_whatever_the_others_are(tmp_path, monkeypatch) -> None:
    """Four long runs beside many short ones are two stacks for two processes."""
    begun: list[list[int]] = []

    def pretend(function, pieces, workers):
        begun.extend([cell.config["model"]["depth"] for cell in piece] for piece in pieces)
        return iter(())

    monkeypatch.setattr(run, "in_order_of_completion", pretend)
    base = cell("trainer.max_steps=100000", runs_dir=tmp_path)
    short = cell("trainer.max_steps=1", runs_dir=tmp_path)
    long_runs = vary(base, {"model.depth": [30] * 4, "seed": [0, 1, 2, 3]})
    short_runs = vary(short, {"model.depth": [1] * 40, "seed": list(range(40))})
    run.run_cells([*short_runs, *long_runs], workers=2)
    assert begun[:2] == [[30, 30], [30, 30]]
    assert sum(map(len, begun)) == 44


def test_what_a_job_leaves_is_collected() -> None:
    """Imports are set aside once; garbage of the jobs between two calls is not kept."""
    with uncollected():
        pass
    aside = gc.get_freeze_count()
    assert aside > 0
    ring: list[object] = []
    ring.append(ring)
    del ring
    with uncollected():
        assert not gc.isenabled()
    assert gc.get_freeze_count() == aside
    assert gc.collect() > 0
