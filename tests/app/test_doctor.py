"""The doctor: what it says of this machine, and that it notices what is wrong."""

import math
from importlib.metadata import version
from types import SimpleNamespace

import pytest
import torch
from tests.training.emulated_device import emulated_gpu

from experiments.app import doctor
from experiments.core.images import ImageDataset
from experiments.core.subnormals import are_flushed


def test_this_machine_is_well(capsys) -> None:
    """Every check has a line, none is wrong, and a stack is what its runs are alone."""
    assert doctor.main([]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[1]: line for line in said.splitlines()[1:]}
    assert {check.__name__ for check in doctor.CHECKS} == set(lines)
    assert "wrong" not in said
    assert f"torch {version('torch')}" in lines["packages"]
    assert "2.0612e-09" in lines["derivatives"]
    assert "StackedLauncher" in lines["launcher"]
    assert "digits (1257)" in lines["data"]


@pytest.mark.parametrize(
    ("need", "words"),
    [
        ("torch>=99", ("torch 2.", "expected torch>=99", "constraints.txt")),
        ("no-such-package", ("no-such-package missing",)),
    ],
)
def test_a_package_out_of_range_is_wrong(need, words, monkeypatch, capsys) -> None:
    """Named with what was found, what is expected and the remedy; the status is 1."""
    monkeypatch.setattr(doctor, "CHECKS", (doctor.packages,))
    monkeypatch.setattr(doctor, "requires", lambda _: [need, "pytest>=99; extra == 'test'"])
    assert doctor.main([]) == 1
    said = capsys.readouterr().out
    assert all(word in said for word in ("wrong", *words))
    assert "pytest" not in said


def test_a_check_that_raises_is_a_finding(monkeypatch, capsys) -> None:
    """The others still run."""

    def torn() -> None:
        raise OSError("no such wire")

    monkeypatch.setattr(doctor, "CHECKS", (torn, doctor.subnormals))
    assert doctor.main([]) == 1
    said = capsys.readouterr().out
    assert "stopped by OSError: no such wire" in said
    assert "subnormals" in said


def test_a_stack_that_is_not_its_runs_is_wrong(monkeypatch) -> None:
    """A relative difference beyond what rounding makes."""
    monkeypatch.setattr(doctor, "ALONE", -1.0)
    ((verdict, subject, found),) = doctor.stack()
    assert (verdict, subject) == ("wrong", "stack")
    assert "allowed: -1" in found


@pytest.mark.parametrize("losses", [[0.5, math.nan, 0.2], [0.5], [math.nan]], ids=str)
def test_a_stack_that_computes_nan_is_wrong(losses, monkeypatch) -> None:
    """A NaN among the losses, and losses that a diverged run no longer has."""

    def trained(cells: list) -> list[SimpleNamespace]:
        history = losses if len(cells) > 1 else [0.5, 0.3, 0.2]
        return [SimpleNamespace(history={"train/loss": history}) for _ in cells]

    monkeypatch.setattr(doctor, "_trained", trained)
    ((verdict, _, found),) = doctor.stack()
    assert verdict == "wrong"
    assert "to nan (allowed" in found


def test_without_numba_it_says_what_to_install(monkeypatch) -> None:
    """Absent, for every run works without; wrong if one is installed that does not compile."""
    monkeypatch.setattr("experiments.core.operations.compiler_problem", lambda: "no Numba")
    for installed, expected in ((False, "absent"), (True, "wrong")):
        monkeypatch.setattr("experiments.core.operations.has_compiler", lambda here=installed: here)
        ((verdict, _, found),) = doctor.compiler()
        assert verdict == expected
        assert "no Numba" in found
        assert "pip install numba" in found


def test_a_compiled_loop_that_is_not_right_is_wrong(monkeypatch) -> None:
    """A loop that leaves its buffers as they were."""
    monkeypatch.setattr(
        "experiments.core.compiled.loop", lambda *_: lambda _, a, slope: (a.fill(0), slope.fill(0))
    )
    ((verdict, _, found),) = doctor.compiler()
    assert verdict == "wrong"
    assert "eps from torch's functions" in found


@pytest.mark.parametrize("before", [True, False])
def test_subnormals_are_as_they_were_before(before) -> None:
    """Trying out whether they can be flushed leaves the process's own choice."""
    able = torch.set_flush_denormal(before)
    try:
        assert next(doctor.subnormals()).verdict == ("ok" if able else "absent")
        assert are_flushed() == (able and before)
    finally:
        torch.set_flush_denormal(False)


def test_image_sets_are_looked_for_and_not_fetched(monkeypatch) -> None:
    """Absent, which only some runs mind."""

    def fetched(*_: object) -> None:
        raise AssertionError("went to the network")

    monkeypatch.setattr(ImageDataset, "at_hand", lambda self: None)
    monkeypatch.setattr("experiments.core.images._from_openml", fetched)
    found = list(doctor.data())
    absent = [line.found.partition(":")[0] for line in found if line.verdict == "absent"]
    assert absent == ["fashion_mnist", "mnist"]
    assert found[-1].verdict == "ok"


def test_a_folder_that_may_not_be_written_is_wrong(monkeypatch) -> None:
    """With the remedy."""
    monkeypatch.setattr(doctor, "unwritable", lambda _: "a full disk")
    ((verdict, _, found),) = doctor.disk()
    assert verdict == "wrong"
    assert "runs_dir=" in found


def test_without_a_gpu_it_says_why(monkeypatch) -> None:
    """A build without CUDA, or a CUDA build and no device."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "without CUDA" in next(doctor.gpu()).found
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "no device answers" in next(doctor.gpu()).found


def test_a_gpu_is_tried_out() -> None:
    """It is named, and trains as the CPU does; here it is emulated."""
    with emulated_gpu():
        device, trained = doctor.gpu()
    assert (device.verdict, device.found) == ("ok", "0: emulated GPU, 16 GiB")
    assert trained.verdict == "ok"
    assert "20 steps give the losses of the CPU" in trained.found


def test_it_takes_no_settings(capsys) -> None:
    """Help answers 0, anything else 2."""
    assert doctor.main(["--help"]) == 0
    assert doctor.main(["model.depth=3"]) == 2
    assert "usage: python scripts/doctor.py" in capsys.readouterr().out
