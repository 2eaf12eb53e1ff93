"""One step of a stack: every run's gradients, what the ledger reads of them, and the update."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import final

import torch
from torch import Tensor

from experiments.core.probe import StepPass
from experiments.training.captured import Captured
from experiments.training.engine import Engine
from experiments.training.optimizers import Optimizer
from experiments.training.parameters import StackParameters
from experiments.training.recording import Recorder


@final
class Steps:
    """Trains all runs of a stack by one step per call.

    Args:
        engine: computes the gradients.
        optimizer: updates the engine's parameters.
        l1: weight of the penalty sum |W|.
        l2: weight of the penalty 1/2 sum W^2.
        captured: replay the kernels of a step, and those of a recorded step before its update, as two
            CUDA graphs; needs a steady engine on a GPU.
    """

    def __init__(
        self,
        engine: Engine,
        optimizer: Optimizer,
        l1: float = 0.0,
        l2: float = 0.0,
        captured: bool = False,
    ) -> None:
        self.engine = engine
        self._penalised = bool(l1 or l2)
        # none of these refers to this object: it is freed, with all its memory, as soon as it is let go
        self._update = partial(_update, engine.parameters, optimizer, l1, l2)
        step = partial(_descend, engine, self._update)
        self._step = Captured(step) if captured else step
        self._gradients = Captured(engine.recorded) if captured else engine.recorded

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """The cost of every run before its update, (R,); the next call may overwrite it."""
        return self._step(x, t)

    def recorded(self, x: Tensor, t: Tensor, update: bool = True) -> tuple[Tensor, StepPass]:
        """The same, and what the step left in memory; without ``update`` the parameters stay."""
        cost, traces = self._gradients(x, t)
        with torch.no_grad():
            record = self.recorder.before_update(traces, followed=update)
            if update:
                self._update()
                self.recorder.after_update()
        return cost, record

    @cached_property
    def recorder(self) -> Recorder:
        """Presents recorded steps to the ledger; allocates its memory on first use."""
        engine = self.engine
        activations = engine.net.activations
        return Recorder(engine.parameters, activations, self._penalised, engine.steady, engine.sums)


def _descend(engine: Engine, update: Callable[[], None], x: Tensor, t: Tensor) -> Tensor:
    cost = engine(x, t)
    update()
    return cost


@torch.no_grad()
def _update(home: StackParameters, optimizer: Optimizer, l1: float, l2: float) -> None:
    home.add_penalty_gradient(l1, l2)
    optimizer.step(home.values.blocks, home.gradients.blocks)
