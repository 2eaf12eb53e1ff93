"""Collects what a training step left in memory, as the ledger's quantities read it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.per_layer import Block, PerLayer
from experiments.core.probe import StepPass
from experiments.training.engine import Trace
from experiments.training.parameters import StackParameters

#: layers of one shape, and a function that returns their tensors concatenated along the run axis
_Supply = tuple[tuple[int, ...], Callable[[], Tensor]]


class Recorder:
    """Presents recorded steps to the ledger.

    Layers of one shape are presented as one tensor. Whether they are contiguous in memory is examined
    once, if every step leaves them in the same place.

    Args:
        parameters: of the stack, updated in place.
        activations: of every layer.
        penalised: whether an update adds penalties to the weights' gradients in place.
        steady: whether every step leaves its traces in the same memory.
        compile: reduce by compiled loops where that is possible.
    """

    def __init__(
        self,
        parameters: StackParameters,
        activations: Sequence[Activation],
        penalised: bool,
        steady: bool,
        compile: bool = False,
    ) -> None:
        self._steady = steady
        self._compile = compile
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
        z, a, delta, derivative = (self._per_layer(supplies) for supplies in found)
        _keep(self._weights, self._weights_before)
        _keep(self._biases, self._biases_before)
        return StepPass(
            z=z,
            a=a,
            delta=delta,
            derivative=derivative,
            weight=self._placed(self._weights, self._weights_before),
            bias=self._placed(self._biases, self._biases_before),
            weight_gradient=self._per_layer(self._weight_gradients, copied=self._penalised),
            bias_gradient=self._per_layer(self._bias_gradients),
            update=self._placed(self._weights, self._updates) if followed else None,
            max_derivative=self._max_derivative,
        )

    def after_update(self) -> None:
        """Fill in the change of the weights."""
        for (_, at), before, change in zip(
            self._weights, self._weights_before, self._updates, strict=True
        ):
            torch.sub(at(), before, out=change)

    def _supplied(self, tensors: Sequence[Tensor]) -> list[_Supply]:
        """Layers grouped by shape and by the bound of sigma'."""
        alike: dict[tuple[object, ...], list[int]] = {}
        for k, (tensor, bound) in enumerate(zip(tensors, self._max_derivative, strict=True)):
            alike.setdefault((tensor.shape, bound), []).append(k)
        return [(tuple(ks), _together([tensors[k] for k in ks])) for ks in alike.values()]

    def _placed(self, supplies: Sequence[_Supply], tensors: Sequence[Tensor]) -> PerLayer:
        """The given tensors, in the grouping of the supplies."""
        pairs = zip(supplies, tensors, strict=True)
        return PerLayer([Block(ks, own, self._compile) for (ks, _), own in pairs])

    def _per_layer(self, supplies: Sequence[_Supply], copied: bool = False) -> PerLayer:
        tensors = [at().clone() if copied else at() for _, at in supplies]
        return self._placed(supplies, tensors)


def _keep(supplies: Sequence[_Supply], copies: Sequence[Tensor]) -> None:
    for (_, at), copy in zip(supplies, copies, strict=True):
        copy.copy_(at())


def _together(tensors: Sequence[Tensor]) -> Callable[[], Tensor]:
    """Returns tensors (R, ...) concatenated: as a view if they are contiguous in memory already."""
    first, last = tensors[0], tensors[-1]
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
