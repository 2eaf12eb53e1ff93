"""The report's door: what it prints, what it returns, what it refuses."""

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

import pytest
import torch
from tests.reporting.fabricated import fabricate, write_cell

from experiments.app.report import main, report
from experiments.studies import Sweep

ROOT = Path(__file__).parents[2]
AXES = {"activation": "relu", "initializer": "he", "model.depth": 3, "seed": 0}


def test_a_sweep_becomes_tables_report_dashboards_and_a_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything is written, and the terminal has question, verdict, table's head and path."""
    fabricate(tmp_path, {("relu", "he"): 0.9}, depths=(2, 4), seeds=2)
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for name in ("results.parquet", "ledger.parquet", "report.html"):
        assert (tmp_path / name).is_file()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    assert "4 cells in 2 configurations: 4 finished" in said
    assert str(tmp_path / "report.html") in said
    assert "depth" in said


def test_figures_can_be_had_as_files(tmp_path: Path) -> None:
    """One SVG a figure, named after it, that can be drawn without a page round it."""
    fabricate(tmp_path / "sweep", {("relu", "he"): 0.9}, depths=(2, 4), seeds=2)
    assert main([str(tmp_path / "sweep"), "--figures", str(tmp_path / "drawn")]) == 0
    files = sorted((tmp_path / "drawn").iterdir())
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert len(files) == page.count("<svg role")
    for file in files:
        tree = ElementTree.parse(file)
        assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert "currentColor" not in file.read_text()
    assert "validation-accuracy-against-depth.svg" in {file.name for file in files}


def test_a_report_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in the way of the figures, then a folder that may only be read; nothing is written."""
    fabricate(tmp_path / "sweep", {("relu", "he"): 0.9}, depths=(2,), seeds=1)
    (tmp_path / "mine").write_text("mine")
    assert main([str(tmp_path / "sweep"), "--figures", str(tmp_path / "mine")]) == 2
    assert f"found a file at {tmp_path / 'mine'}; expected" in capsys.readouterr().err

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)  # root may write anywhere
    assert main([str(tmp_path / "sweep")]) == 2
    said = capsys.readouterr().err
    assert "where no folder can be made (PermissionError: Permission denied); expected" in said
    assert {path.name for path in (tmp_path / "sweep").iterdir()} <= {"cells", "study.json"}


def test_a_small_sweep_shows_the_profile_in_every_cell(tmp_path: Path) -> None:
    """A single run has the depth profile among its own event files, if it keeps any."""
    cell = write_cell(tmp_path, "logged", AXES)
    (cell / "tensorboard").mkdir()
    silent = write_cell(tmp_path, "silent", AXES | {"seed": 1})
    assert report(tmp_path) == 0
    assert len(list((cell / "tensorboard").glob("*.profile"))) == 1
    assert not (silent / "tensorboard").exists()


def test_a_failed_cell_is_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are reported all the same, the failure by its line, a hole by its reason."""
    write_cell(tmp_path, "good", AXES)
    write_cell(tmp_path, "bad", AXES | {"seed": 1}, status="failed")
    (tmp_path / "cells" / "stray").write_text("")
    assert report(tmp_path) == 1
    said = capsys.readouterr().out
    assert "RuntimeError: made up" in said
    assert "left out: stray: not a folder" in said


def test_the_study_of_study_json_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder remembers its question."""
    fabricate(tmp_path, {("relu", "he"): 0.9}, depths=(2, 4), seeds=2)
    (tmp_path / "study.json").write_text(
        json.dumps({"study": "experiments.studies.VanishingGradient", "name": "vg"})
    )
    assert main([str(tmp_path)]) == 0
    assert "How does the gradient at the first layer depend on depth" in capsys.readouterr().out


def test_the_process_has_its_threads_back_from_a_study_that_stops(tmp_path: Path) -> None:
    """The findings are computed on one thread; an error in them leaves the process its own number."""
    write_cell(tmp_path, "only", AXES)
    before = torch.get_num_threads()

    def stops(*_: object) -> None:
        assert torch.get_num_threads() == 1
        raise ArithmeticError("made up")

    torch.set_num_threads(3)
    try:
        with (
            patch.object(Sweep, "findings", stops),
            pytest.raises(ArithmeticError, match="made up"),
        ):
            report(tmp_path)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("target", ["experiments.studies.Vanishing", "os.system", "Sweep", "x.y.Z"])
def test_an_unknown_study_is_refused(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the house's studies are looked up; the message lists them, and no table is written."""
    write_cell(tmp_path, "only", AXES)
    (tmp_path / "study.json").write_text(json.dumps({"study": target}))
    assert main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert repr(target) in said
    assert "VanishingGradient" in said
    assert not (tmp_path / "results.parquet").exists()


def test_a_missing_folder_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found, expected, remedy; exit status 2; nothing created."""
    assert main([str(tmp_path / "nothing")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: found nothing at ")
    assert said.count("\n") == 1
    assert not (tmp_path / "nothing").exists()


def test_help_does_not_wait_for_heavy_imports() -> None:
    """The script's --help loads neither torch, pandas nor matplotlib."""
    program = (
        "import sys; sys.argv = ['report.py', '--help'];"
        "from experiments.app.report import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'pandas', 'matplotlib', 'hydra'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")
    assert "RUNS_DIR/NAME" in done.stdout


def test_the_script_is_the_door(tmp_path: Path) -> None:
    """python scripts/report.py FOLDER exits with the door's status."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "report.py"), str(tmp_path / "nothing")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_reader_may_leave(tmp_path: Path) -> None:
    """``report.py FOLDER | head`` ends without a traceback, and the report is there."""
    fabricate(tmp_path, {("tanh", "glorot"): 0.9}, depths=(2,), seeds=1)
    door = f"{shlex.quote(sys.executable)} {ROOT}/scripts/report.py {shlex.quote(str(tmp_path))}"
    answer = subprocess.run(
        f"{door} | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert (tmp_path / "report.html").stat().st_size > 1000
