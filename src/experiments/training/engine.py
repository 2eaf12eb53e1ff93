"""Gradients of one training step for a whole stack, written into the gradient blocks.

Two engines, which must agree: the notes' recursions in preallocated memory, the default; and autograd
through the layers' hand-written backward, which mixed precision needs.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.backprop import BackpropagationBuffers
from experiments.core.loss import Loss
from experiments.core.operations import can_compile
from experiments.models import MLP
from experiments.training.layer_sums import LayerSums
from experiments.training.parameters import StackParameters


@dataclass(frozen=True)
class Trace:
    """What a step computed in one layer: z, a, sigma' (where sigma was applied) and delta, (R, batch, n).

    Valid until the next step, which may overwrite it.
    """

    z: Tensor
    a: Tensor
    derivative: Tensor
    delta: Tensor


class Engine(ABC):
    """Cost and gradients of every run of a stack.

    Each run's cost depends on its own parameters alone, so the gradient of the sum over runs is
    every run's own gradient.
    """

    #: whether every call launches the same kernels on the same memory: recorded steps then leave their
    #: traces in one place, and a call can be captured
    steady: ClassVar[bool]
    #: whether activations are computed in compiled loops
    compiled: bool = False
    #: what compiled loops found in the layers' tensors during a recorded step
    sums: LayerSums | None = None

    def __init__(self, net: MLP, loss: Loss, parameters: StackParameters) -> None:
        self.net = net
        self.loss = loss
        self.parameters = parameters

    @abstractmethod
    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """The cost of every run, (R,); writes its gradients to ``parameters.gradients``."""

    @abstractmethod
    def recorded(self, x: Tensor, t: Tensor) -> tuple[Tensor, Sequence[Trace]]:
        """The same, and the trace of every layer."""


@final
class RecursionEngine(Engine):
    """The delta recursion of ``experiments.backprop``: no graph, no allocation.

    Args:
        net: a stack of R runs, whose parameters are in ``parameters``.
        loss: gives delta^[L].
        parameters: receives the gradients.
        batch: examples per step.
        compile: compute activations in compiled loops where that is possible.
        sum_up: quantities whose sums a recorded step takes in compiled loops, where that is possible.
    """

    steady = True

    def __init__(
        self,
        net: MLP,
        loss: Loss,
        parameters: StackParameters,
        batch: int,
        compile: bool = False,
        sum_up: Collection[str] = (),
    ) -> None:
        super().__init__(net, loss, parameters)
        home = parameters.weight_gradients, parameters.bias_gradients
        self._buffers = partial(BackpropagationBuffers, net, batch, *home, compile=compile)
        self.buffers = self._buffers(keep=False)
        self.compiled = self.buffers.compiled
        if sum_up and can_compile(*self.buffers.derivative):
            self.sums = LayerSums(sum_up, net.activations)

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        return self.buffers.backpropagate(x, t, self.loss).loss

    def recorded(self, x: Tensor, t: Tensor) -> tuple[Tensor, Sequence[Trace]]:
        return self._keeping.backpropagate(x, t, self.loss).loss, self.traces

    @cached_property
    def traces(self) -> list[Trace]:
        """The memory into which recorded steps write."""
        b = self._keeping
        return [Trace(*parts) for parts in zip(b.z, b.a, b.derivative, b.delta, strict=True)]

    @cached_property
    def _keeping(self) -> BackpropagationBuffers:
        observe = self.sums and self.sums.observe
        return self._buffers(sharing=self.buffers, observe=observe)


@final
class AutogradEngine(Engine):
    """Autograd through the layers; under autocast the step computes in half precision."""

    steady = False

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        return self._differentiate(self.loss(self.net(x), t))

    def recorded(self, x: Tensor, t: Tensor) -> tuple[Tensor, Sequence[Trace]]:
        outputs, records = self.net.recorded_forward(x)
        cost = self._differentiate(self.loss(outputs, t))
        with torch.no_grad():
            traces = [
                Trace(r.z, r.a, layer.activation.derivative(layer.argument(r.z)), r.delta)
                for r, layer in zip(records, self.net.dense_layers, strict=True)
            ]
        return cost, traces

    def _differentiate(self, cost: Tensor) -> Tensor:
        net = self.net
        gradients = torch.autograd.grad(cost.sum(), [*net.weights, *net.biases])
        for home, gradient in zip(self.parameters.gradients.layers, gradients, strict=True):
            home.copy_(gradient)
        return cost.detach()
