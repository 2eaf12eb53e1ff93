"""Collects what a training step left in memory, as the ledger's quantities read it."""

import itertools
from collections.abc import Callable, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.operations import Operation, Operations
from experiments.core.per_layer import Block, PerLayer
from experiments.core.probe import StepPass
from experiments.training.engine import Trace
from experiments.training.layer_sums import LayerSums
from experiments.training.parameters import StackParameters

#: layers of one shape, and a function that returns their tensors concatenated along the run axis
_Supply = tuple[range, Callable[[], Tensor]]


class Recorder:
    """Presents recorded steps to the ledger.

    Layers of one shape are presented as one tensor. Whether they are contiguous in memory is examined
    once, if every step leaves them in the same place.

    Args:
        parameters: of the stack, updated in place.
        activations: of every layer.
        penalised: whether an update adds penalties to the weights' gradients in place.
        steady: whether every step leaves its traces in the same memory.
        sums: of the tensors of recorded steps; None reduces them by operations on whole tensors.
    """

    def __init__(
        self,
        parameters: StackParameters,
        activations: Sequence[Activation],
        penalised: bool,
        steady: bool,
        sums: LayerSums | None = None,
    ) -> None:
        self._steady = steady
        self._sums = sums
        self._penalised = penalised
        self._max_derivative = tuple(sigma.max_derivative for sigma in activations)
        self._weights = self._supplied(parameters.weights)
        self._weight_gradients = self._supplied(parameters.weight_gradients)
        self._bias_gradients = self._supplied(parameters.bias_gradients)
        self._biases = self._supplied(parameters.biases)
        self._weights_before = [torch.empty_like(at()) for _, at in self._weights]
        self._biases_before = [torch.empty_like(at()) for _, at in self._biases]
        self._updates = [torch.empty_like(before) for before in self._weights_before]
        self._found: list[list[_Supply]] = []

    def before_update(self, traces: Sequence[Trace], followed: bool) -> StepPass:
        """The step; valid until the next recorded one.

        Args:
            traces: of every layer; the gradients of the mean cost are in ``parameters``.
            followed: whether an update follows; ``after_update`` then fills in the change.
        """
        found = self._found or [
            self._supplied(parts)
            for parts in zip(*((t.z, t.a, t.delta, t.derivative) for t in traces), strict=True)
        ]
        self._found = found if self._steady else []  # other traces are released after their step
        z, a, delta, derivative = found
        _keep(self._weights, self._weights_before)
        _keep(self._biases, self._biases_before)
        return StepPass(
            z=self._per_layer("z", z),
            a=self._per_layer("a", a),
            delta=self._per_layer("delta", delta),
            derivative=self._per_layer("derivative", derivative),
            weight=self._placed("weight", self._weights, self._weights_before),
            bias=self._placed("bias", self._biases, self._biases_before),
            weight_gradient=self._per_layer(
                "weight_gradient", self._weight_gradients, copied=self._penalised
            ),
            bias_gradient=self._per_layer("bias_gradient", self._bias_gradients),
            update=self._placed("update", self._weights, self._updates) if followed else None,
            max_derivative=self._max_derivative,
        )

    def after_update(self) -> None:
        """Fill in the change of the weights."""
        for operation in self._changes:
            operation()

    @cached_property
    def _changes(self) -> Operations:
        """Operations that write the change of the weights, and sum it up."""
        operations: list[Operation] = []
        for (ks, at), before, change in zip(
            self._weights, self._weights_before, self._updates, strict=True
        ):
            operations.append(partial(_subtract, at, before, change))
            if self._sums:
                operations += self._sums.observe("update", ks, change)
        return operations

    def _supplied(self, tensors: Sequence[Tensor]) -> list[_Supply]:
        """Layers that follow each other, grouped by shape and by the bound of sigma'."""
        kinds = [(t.shape, bound) for t, bound in zip(tensors, self._max_derivative, strict=True)]
        supplies, start = [], 0
        for _, alike in itertools.groupby(kinds):
            ks = range(start, start := start + len(list(alike)))
            supplies.append((ks, _together(tensors[ks.start : ks.stop])))
        return supplies

    def _placed(
        self, name: str, supplies: Sequence[_Supply], tensors: Sequence[Tensor]
    ) -> PerLayer:
        """The given tensors of a quantity, in the grouping of the supplies."""
        pairs = zip(supplies, tensors, strict=True)
        blocks = [Block(tuple(ks), own) for (ks, _), own in pairs]
        return PerLayer(blocks, partial(self._sums.of, name) if self._sums else None)

    def _per_layer(self, name: str, supplies: Sequence[_Supply], copied: bool = False) -> PerLayer:
        tensors = [at().clone() if copied else at() for _, at in supplies]
        return self._placed(name, supplies, tensors)


def _subtract(after: Callable[[], Tensor], before: Tensor, out: Tensor) -> None:
    torch.sub(after(), before, out=out)


def _keep(supplies: Sequence[_Supply], copies: Sequence[Tensor]) -> None:
    for (_, at), copy in zip(supplies, copies, strict=True):
        copy.copy_(at())


def _together(tensors: Sequence[Tensor]) -> Callable[[], Tensor]:
    """Returns tensors (R, ...) concatenated: as a view if they are contiguous in memory already."""
    first, last = tensors[0], tensors[-1]
    if len(tensors) == 1:
        return lambda: first
    start, size = first.data_ptr(), first.numel() * first.element_size()
    places = [tensor.data_ptr() for tensor in tensors]
    # tensors between two that share a storage belong to that storage too
    if (
        places == [start + k * size for k in range(len(tensors))]
        and all(tensor.is_contiguous() for tensor in tensors)
        and first.untyped_storage().data_ptr() == last.untyped_storage().data_ptr()
    ):
        view = first.as_strided((len(tensors) * len(first), *first.shape[1:]), first.stride())
        return lambda: view
    return lambda: torch.cat(list(tensors))
