"""What works on this machine: packages, launcher, stacks, GPU, data sets and disk are tried out."""

import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from experiments.app.place import standing, unwritable

if TYPE_CHECKING:
    from experiments.training.cells import Cell
    from experiments.training.outcome import Outcome

USAGE = """\
Try out what the laboratory needs: packages, launcher, derivatives, compiler, stacks, GPU, data, disk.

usage: python scripts/doctor.py

Nothing is written. Status 1 if something that every run needs is missing or wrong."""

PACKAGE = "gradient-flow-laboratory"
#: relative tolerances of 20 steps in float64: a stack against its runs alone, a GPU against the CPU
ALONE, DEVICE = 1e-10, 1e-8
SMALL = (
    "activation=tanh",
    "model.depth=4",
    "model.width=16",
    "trainer=cpu",
    "trainer.precision=64-true",
    "trainer.max_steps=20",
    "trainer.evaluations=5",
    "probe=none",
    "logger=none",
)


Verdict = Literal["ok", "absent", "wrong"]


class Finding(NamedTuple):
    """One line: a verdict, its subject, and what was found.

    ``absent``: only some runs need it. ``wrong``: to be put right.
    """

    verdict: Verdict
    subject: str
    found: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for every finding; 1 if one is wrong."""
    asked = list(sys.argv[1:] if arguments is None else arguments)
    if asked:
        print(USAGE)
        return 0 if {"-h", "--help"} & set(asked) else 2
    place = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    print(f"{PACKAGE} {version(PACKAGE)}, {place}, {os.cpu_count()} cores")
    wrong = 0
    for check in CHECKS:
        for verdict, subject, found in _tried(check):
            print(f"  {verdict:6}  {subject:12}  {found}", flush=True)
            wrong += verdict == "wrong"
    return int(wrong > 0)


def packages() -> Iterator[Finding]:
    """Every required package is installed in an allowed version."""
    from packaging.requirements import Requirement

    present = []
    for line in requires(PACKAGE) or []:
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(need.name)
        except PackageNotFoundError:
            found = "missing"
        if found == "missing" or not need.specifier.contains(found, prereleases=True):
            remedy = "install again with -c constraints.txt"
            yield Finding("wrong", "package", f"{need.name} {found}, expected {need}; {remedy}")
        else:
            present.append(f"{need.name} {found}")
    yield Finding("ok", "packages", ", ".join(present))


def launcher() -> Iterator[Finding]:
    """Hydra finds the stacked launcher."""
    from hydra.core.plugins import Plugins
    from hydra.plugins.launcher import Launcher

    names = {found.__name__ for found in Plugins.instance().discover(Launcher)}
    here = "StackedLauncher" in names
    remedy = (
        "" if here else "; expected StackedLauncher: install the package again (pip install -e .)"
    )
    yield Finding("ok" if here else "wrong", "launcher", ", ".join(sorted(names)) + remedy)


def derivatives() -> Iterator[Finding]:
    """The hand-written sigmoid' against the formula in double precision, far in the tail."""
    import torch

    from experiments.activations import Sigmoid

    z = torch.tensor(20.0)
    ours, torchs = (float(Sigmoid(rule).derivative(z)) for rule in ("exact", "native"))
    truth = math.exp(-20) / (1 + math.exp(-20)) ** 2
    right = math.isclose(ours, truth, rel_tol=1e-6)
    said = f"sigmoid'(20) is {ours:.5g} (formula: {truth:.5g}; torch's own rule: {torchs:.5g})"
    yield Finding("ok" if right else "wrong", "derivatives", said)


def compiler() -> Iterator[Finding]:
    """Numba compiles an activation's loop, and the loop is right."""
    import torch

    from experiments.activations import Tanh
    from experiments.core.operations import compiler_problem, has_compiler, quiet

    problem = compiler_problem()
    if problem is not None:
        remedy = "long trainings take longer on a CPU; python -m pip install numba"
        verdict: Verdict = "wrong" if has_compiler() else "absent"
        yield Finding(verdict, "compiler", f"found {problem}: {remedy}")
        return
    errors = []
    for dtype in (torch.float32, torch.float64):
        z = torch.linspace(-20, 20, 41, dtype=dtype)
        a, derivative = torch.empty_like(z), torch.empty_like(z)
        with quiet():
            for operation in Tanh().bind(z, a, derivative, compile=True):
                operation()
        error = (derivative / Tanh().derivative(z) - 1).abs().max() / torch.finfo(dtype).eps
        errors += [error, (a - Tanh().value(z)).abs().max() / torch.finfo(dtype).eps]
    worst = float(torch.stack([error.double() for error in errors]).max())
    said = (
        f"Numba {version('numba')}: tanh and tanh' differ by {worst:.1f} eps from torch's functions"
    )
    yield Finding("ok" if worst <= 8 else "wrong", "compiler", said)


def subnormals() -> Iterator[Finding]:
    """Whether this processor can flush numbers below the smallest normal one to zero."""
    import torch

    from experiments.core.subnormals import are_flushed

    before = are_flushed()
    able = torch.set_flush_denormal(True)
    torch.set_flush_denormal(before)
    can = "can be flushed while training (trainer.subnormals)"
    cannot = "cannot be flushed by this processor: steps of vanishing networks take longer"
    yield Finding("ok" if able else "absent", "subnormals", can if able else cannot)


def stack() -> Iterator[Finding]:
    """Three networks in one stack against one of them alone."""
    cells = _three_cells()
    yield _agreement("stack", "a network alone", _trained(cells)[1], _trained(cells[1:2])[0], ALONE)


def gpu() -> Iterator[Finding]:
    """A CUDA device, with the step captured as a graph, gives the numbers of the CPU."""
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = (
            f"torch {torch.__version__} is built without CUDA"
            if built is None
            else f"torch is built for CUDA {built}, but no device answers: see nvidia-smi"
        )
        yield Finding("absent", "gpu", f"{why}; trainer=gpu is refused, trainer=auto takes the CPU")
        return
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        yield Finding("ok", "gpu", f"{number}: {found.name}, {found.total_memory / 2**30:.0f} GiB")
    cells = _three_cells()
    there = [_on_gpu(cell) for cell in cells]
    yield _agreement("gpu", "the CPU", _trained(there)[1], _trained(cells)[1], DEVICE)


def data() -> Iterator[Finding]:
    """Every data set of conf/data that is on this machine; nothing is downloaded."""
    from experiments.app.build import make
    from experiments.app.compose import composed
    from experiments.app.conf_dir import conf_dir
    from experiments.core.errors import DataError
    from experiments.core.images import ImageDataset

    here = []
    for name in sorted(path.stem for path in (conf_dir() / "data").glob("*.yaml")):
        dataset = make(composed([f"data={name}"])[0]["data"])
        if isinstance(dataset, ImageDataset) and dataset.at_hand() is None:
            said = "not on this machine; name its folder (data.folder=PATH), or it is downloaded from OpenML"
            yield Finding("absent", "data", f"{name}: {said}")
            continue
        try:
            here.append(f"{name} ({len(dataset.load().train)})")
        except DataError as error:
            yield Finding("wrong", "data", f"{name}: {error}")
    yield Finding("ok", "data", "training examples: " + ", ".join(here))


def disk() -> Iterator[Finding]:
    """Whether runs/ can be written here, and the free space."""
    runs = Path("runs")
    free = shutil.disk_usage(standing(runs)).free / 2**30
    said = f"runs_dir=runs under {Path.cwd()}, {free:.0f} GiB free"
    reason = unwritable(runs)
    remedy = "" if reason is None else f"; found {reason}: name another with runs_dir=..."
    yield Finding("ok" if reason is None else "wrong", "disk", said + remedy)


Check = Callable[[], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    packages, launcher, derivatives, compiler, subnormals, stack, gpu, data, disk,
)  # fmt: skip


def _tried(check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001  whatever is raised is the finding
        yield Finding("wrong", check.__name__, f"stopped by {type(error).__name__}: {error}")


def _three_cells() -> "list[Cell]":
    from experiments.app.cells import cell_of
    from experiments.app.compose import composed

    return [cell_of(*composed([*SMALL, f"seed={seed}"])) for seed in (1, 2, 3)]


def _on_gpu(cell: "Cell") -> "Cell":
    trainer = {**cell.config["trainer"], "accelerator": "gpu", "cuda_graph": True}
    return replace(cell, config={**cell.config, "trainer": trainer})


def _trained(cells: "Sequence[Cell]") -> "list[Outcome]":
    from experiments.app.build import stack_of
    from experiments.training.train import train

    return train(stack_of(cells))


def _agreement(
    subject: str, other: str, found: "Outcome", wanted: "Outcome", tolerance: float
) -> Finding:
    """The largest relative difference of two loss histories; NaN if a loss is, or is missing."""
    import numpy as np

    histories = (outcome.history["train/loss"] for outcome in (found, wanted))
    ours, theirs = np.transpose([*zip_longest(*histories, fillvalue=math.nan)])
    apart = float(np.abs(ours / theirs - 1).max())  # unlike Python's, this max keeps a NaN
    said = f"20 steps give the losses of {other} to {apart:.1g} (allowed: {tolerance:g})"
    return Finding("ok" if apart <= tolerance else "wrong", subject, said)


if __name__ == "__main__":
    sys.exit(main())
