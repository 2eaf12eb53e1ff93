"""A stack's steps, and whole trainings, with and without the ledger."""

import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.activations import Tanh
from experiments.core.operations import has_compiler
from experiments.data import Digits
from experiments.initializers import Glorot
from experiments.losses import CrossEntropy
from experiments.probes import Ledger
from experiments.training.datamodule import StackData
from experiments.training.loggers import TensorBoard
from experiments.training.module import StackModule
from experiments.training.optimizers import SGD
from experiments.training.schedule import plan
from experiments.training.settings import ModelSettings, TrainerSettings
from experiments.training.stack import Run, Stack
from experiments.training.train import train


def stack(
    runs: int, depth: int, width: int, steps: int, every: int | None, accelerator: str = "cpu"
) -> Stack:
    """R networks on the digits; without ``every`` nothing is recorded at all."""
    return Stack(
        runs=tuple(Run(str(seed), seed, Glorot()) for seed in range(runs)),
        model=ModelSettings(depth=depth, width=width),
        activation=Tanh(),
        loss=CrossEntropy(),
        dataset=Digits(),
        optimizer=lambda: SGD(lr=0.01),
        settings=TrainerSettings(
            max_steps=steps,
            evaluations=1,
            accelerator=accelerator,
            threads=1,
            numba="always" if has_compiler() and accelerator == "cpu" else "auto",
        ),
        ledger=Ledger(quantities=[]) if every is None else Ledger(every=every),
    )


def steps(
    runs: int, depth: int, width: int, every: int | None, accelerator: str = "cpu", count: int = 20
) -> Callable[[], object]:
    """Each call takes that many further steps of a training, checked for divergence at their end."""
    whole = stack(runs, depth, width, count, every, accelerator)
    data = StackData(whole.datasets, plan(count, every, evaluations=1))
    module = StackModule(whole, data.splits(), [[] for _ in range(runs)])
    module.to("cuda" if accelerator == "gpu" else "cpu")
    module.on_fit_start()
    (chunk,) = data.plan
    return partial(module.training_step, chunk._replace(evaluate=False, following=count), 0)


def seconds(
    runs: int,
    depth: int,
    width: int,
    steps: int,
    every: int | None,
    tensorboard: bool = False,
) -> float:
    """Seconds that ``train`` takes, with event files of every layer's numbers or without."""
    whole = stack(runs, depth, width, steps, every)
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        opened = [
            [TensorBoard().open(Path(folder) / str(run))] if tensorboard else []
            for run in range(runs)
        ]
        train(whole, opened)
        for writer in itertools.chain(*opened):
            writer.summarize({}, {})
            writer.close()
        return time.perf_counter() - began
