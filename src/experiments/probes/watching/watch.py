"""The gradient ledger of any torch model while its own loop trains it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from experiments.core.errors import ConfigurationError, describe
from experiments.core.per_layer import Block, PerLayer
from experiments.core.probe import StepPass
from experiments.core.shapes import FIRST_WEIGHT_LAYER
from experiments.core.whole import whole
from experiments.probes.ledger import Ledger
from experiments.probes.watching.layer import Layer
from experiments.probes.watching.observer import Observer

#: numbers in a tensor up to which several layers' tensors are reduced faster as one, copying included
SMALL = 2**14


@dataclass(frozen=True)
class WatchedLayer:
    """A layer of the model.

    Attributes:
        layer: its number in the ledger; 2 is the first layer with weights.
        name: of its weight among the model's parameters.
        activation: the pointwise function that follows it; "identity" where none was seen.
    """

    layer: int
    name: str
    activation: str


@final
class Watch:
    """Records the ledger's quantities in every layer of a model that somebody else trains.

    A layer is a linear map or a convolution whose weight is trained. Its units are its outputs or
    channels; positions in a sequence or an image count as examples, and so do several uses of one layer.
    Its activation is the first pointwise function that is applied to its result, directly or behind
    normalisation, dropout or pooling. Layers are numbered as they are first used, from 2. The model is
    not changed, and steps that are not recorded cost nothing.

    The gradients are those that torch computes, of the cost that ``backward`` is called on; several
    calls in one step add up. Where they are 0 as floats their log10 is NaN: how small they truly are is
    not known.

    Attributes:
        every: number of steps between records.
        seconds: wall time from the making of the watch to the end of the last step.

    Args:
        model: any module; no part of it may be compiled, because torch does not show what that computes.
        every: number of steps between records; the first step is always recorded.

    Raises:
        ConfigurationError: for ``every`` below 1, or a compiled model; at the first step if no layer is
            differentiated in it. Later steps without one, such as a skipped batch, are not recorded.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> watch = Watch(model, every=5)
        >>> for x, t in [(torch.randn(16, 4), torch.arange(16) % 3)] * 10:
        ...     with watch.step():
        ...         optimizer.zero_grad()
        ...         nn.functional.cross_entropy(model(x), t).backward()
        ...         optimizer.step()
        >>> [(layer.layer, layer.name, layer.activation) for layer in watch.layers]
        [(2, '0.weight', 'tanh'), (3, '2.weight', 'identity')]
        >>> ledger = watch.ledger()
        >>> ledger["step"].tolist(), ledger["layer"].tolist()
        ([0, 0, 5, 5], [2, 3, 2, 3])
    """

    def __init__(self, model: nn.Module, every: int = 50) -> None:
        if any(map(_is_compiled, model.modules())):
            raise ConfigurationError(
                describe(
                    "a compiled model",
                    "modules whose functions torch shows one by one",
                    "watch the model before torch.compile, for a short run of it",
                )
            )
        self.every = whole("every", every, 1)
        self._ledger = Ledger(self.every)
        self._model = model
        self._layers: dict[str, WatchedLayer] = {}
        self._records: list[tuple[int, dict[str, np.ndarray]]] = []
        self._next = self._due = 0
        self._clock = time.perf_counter()
        self.seconds = 0.0

    @contextmanager
    def step(self, number: int | None = None, scale: float = 1.0) -> Iterator[None]:
        """Encloses one training step: forward passes, backward passes and the optimiser's step.

        Args:
            number: of the step, which increases; None counts from 0.
            scale: by which the loss is multiplied before its backward pass, as a
                ``torch.amp.GradScaler`` does; recorded gradients are divided by it.

        Raises:
            ConfigurationError: for a number that is not larger than the last one.
        """
        number = self._next if number is None else number
        if number < self._next:
            raise ConfigurationError(
                describe(
                    f"step {number} after step {self._next - 1}",
                    "numbers that increase",
                    "leave the number out, or count on from epoch to epoch",
                )
            )
        self._next = number + 1
        if number < self._due:
            yield
        else:
            observer = Observer({id(p): name for name, p in self._model.named_parameters()})
            try:
                with observer:
                    yield
                self._record(number, [*observer.layers.values()], scale)
            finally:
                observer.close()
        self.seconds = time.perf_counter() - self._clock

    @property
    def layers(self) -> tuple[WatchedLayer, ...]:
        """The layers that were seen."""
        return tuple(self._layers.values())

    @property
    def unseen(self) -> tuple[str, ...]:
        """Trained weights with two or more axes that are in no record: those of other kinds of layers."""
        return tuple(
            name
            for name, parameter in self._model.named_parameters()
            if parameter.requires_grad and name not in self._layers
            if is_lazy(parameter) or parameter.dim() > 1
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the recorded numbers."""
        return self._ledger.columns

    @property
    def records(self) -> list[tuple[int, np.ndarray]]:
        """(step, (layers, columns)) of every record; rows of NaN for layers that a step did not use."""
        missing = np.full(len(self.columns), np.nan)
        return [
            (step, np.stack([rows.get(name, missing) for name in self._layers]))
            for step, rows in self._records
        ]

    def ledger(self) -> dict[str, np.ndarray]:
        """The records as columns, one row for every step and layer; ``pandas.DataFrame`` takes it.

        Columns: ``step``, ``layer``, and the quantities, as in ``ledger.parquet``.
        """
        steps = [step for step, _ in self._records]
        numbers = [layer.layer for layer in self.layers]
        tables = [table for _, table in self.records]
        rows = np.concatenate(tables) if tables else np.empty((0, len(self.columns)))
        return {
            "step": np.repeat(np.array(steps, int), len(numbers)),
            "layer": np.tile(np.array(numbers, int), len(steps)),
        } | {name: rows[:, k] for k, name in enumerate(self.columns)}

    @torch.no_grad()
    def _record(self, step: int, seen: Sequence[Layer], scale: float) -> None:
        layers = [layer for layer in seen if layer.is_differentiated]
        if not layers and self._records:
            return  # a batch that was skipped; the next step is recorded in its place
        if not layers:
            raise ConfigurationError(
                describe(
                    f"no differentiated layer in step {step} of {type(self._model).__name__}",
                    "calls of linear or a convolution with the watched model's own parameters, and "
                    "loss.backward()",
                    "put the forward pass, the backward pass and the optimiser's step inside "
                    "`with watch.step():`; docs/your-model.md names what cannot be watched",
                )
            )
        self._due = (step // self.every + 1) * self.every
        for layer in layers:
            if layer.name not in self._layers:
                number = len(self._layers) + FIRST_WEIGHT_LAYER
                self._layers[layer.name] = WatchedLayer(number, layer.name, layer.sigma.name)
        table = self._ledger.record(_step_pass(layers, scale))[:, 0].numpy()
        table[np.isneginf(table)] = np.nan  # log10 of a gradient that is 0 as a float
        names = [layer.name for layer in layers]
        self._records.append((step, dict(zip(names, table, strict=True))))


def _is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile was called on it, it was compiled in place, or Lightning unwrapped it."""
    marks = (module._compiled_call_impl, getattr(module, "_compiler_ctx", None))
    return hasattr(module, "_orig_mod") or any(mark is not None for mark in marks)


def _step_pass(layers: Sequence[Layer], scale: float) -> StepPass:
    """The step as the quantities read it; small layers of one shape and activation are one block."""
    z, arguments = [layer.z for layer in layers], [layer.argument for layer in layers]
    alike: dict[tuple[object, ...], list[int]] = {}
    for k, layer in enumerate(layers):
        shapes = z[k].shape, arguments[k].shape, layer.weight.shape
        kind = (*shapes, z[k].dtype, z[k].device, layer.sigma)
        alone = k if max(z[k].numel(), layer.weight.numel()) > SMALL else None
        alike.setdefault((*kind, alone), []).append(k)

    def per_layer(tensors: Sequence[Tensor]) -> PerLayer:
        return PerLayer(
            [
                Block(
                    tuple(ks),
                    torch.stack([tensors[k] for k in ks]) if ks[1:] else tensors[ks[0]][None],
                )
                for ks in alike.values()
            ]
        )

    def unscaled(gradients: Sequence[Tensor]) -> PerLayer:
        return per_layer(gradients if scale == 1 else [g / scale for g in gradients])

    derivatives = [
        Block(block.layers, layers[block.layers[0]].sigma.derivative(block.tensor))
        for block in per_layer(arguments).blocks
    ]
    return StepPass(
        z=per_layer(z),
        a=per_layer([layer.a for layer in layers]),
        delta=unscaled([layer.delta for layer in layers]),
        derivative=PerLayer(derivatives),
        weight=per_layer([layer.weight for layer in layers]),
        bias=per_layer([layer.bias for layer in layers]),
        weight_gradient=unscaled([layer.weight_gradient for layer in layers]),
        bias_gradient=unscaled([layer.bias_gradient for layer in layers]),
        update=per_layer([layer.update for layer in layers]),
        max_derivative=tuple(layer.sigma.max_derivative for layer in layers),
    )
