"""The same recursion in memory that is reserved once: what a training loop calls every step."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.autograd.graph import increment_version

from experiments.activations import Identity
from experiments.backprop.admission import Layer, layers_of, require_shape
from experiments.backprop.gradients import Backpropagation
from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.core.operations import (
    Operation,
    multiply,
    product,
    product_with,
    quiet,
    sum_of_rows,
)
from experiments.models import MLP

#: attributes that ``_bind`` makes
_BOUND = frozenset(
    ("_bound", "_places", "_returned", "_upward", "_downward", "_first", "_first_gradient")
)


class BackpropagationBuffers:
    """Room for z, a, sigma'(z), delta and all gradients of one network or stack.

    Every operation of a pass writes into memory that exists, so a narrow network does not spend its
    time on allocation and bookkeeping; a stack of runs is the same number of operations as one run.

    Args:
        net: whose parameters are read at every call; they may be updated in place or replaced, as
            long as shapes, device and type stay.
        batch: examples of a call.
        weight_gradients: where dC/dW^[l] is written, one tensor per layer of the shape of W^[l]; they
            may be views of one larger buffer. None reserves memory of its own.
        bias_gradients: the same for b^[l].
        keep: hold z and delta of every layer until the next call. False lets the layers share that
            memory, since only a and sigma'(z) are needed twice: half the memory, and a deep stack
            stays in the processor's cache; ``z`` and ``delta`` then hold nothing of
            use, and no deltas are returned.

    Raises:
        ValueError: if a given gradient has not the shape and type of its parameter.

    Example:
        >>> from experiments.activations import Tanh
        >>> from experiments.backprop import backpropagate
        >>> from experiments.initializers import Glorot
        >>> from experiments.losses import HalfSquaredError
        >>> net = MLP((2, 3, 1), Tanh(), Glorot(), runs=4, seed=0)
        >>> buffers = BackpropagationBuffers(net, batch=5)
        >>> x, t = torch.ones(5, 2), torch.zeros(5, 1)
        >>> passed = backpropagate(net, x, t, HalfSquaredError(), buffers=buffers)
        >>> passed.weight_gradients[0] is buffers.weight_gradients[0], passed.loss.shape
        (True, torch.Size([4]))
    """

    def __init__(
        self,
        net: MLP,
        batch: int,
        weight_gradients: Sequence[Tensor] | None = None,
        bias_gradients: Sequence[Tensor] | None = None,
        keep: bool = True,
    ) -> None:
        layers = layers_of(net)
        runs = () if net.runs is None else (net.runs,)
        self.net = net
        self.batch = batch
        self._kept = keep
        self._linear = [isinstance(layer.activation, Identity) for layer in layers]
        for layer in layers:
            layer.evaluate(layer.b.detach())  # a derivative that is missing is missed now
        like = layers[0].W
        shapes = [(*runs, batch, n) for n in net.widths[1:]]
        if keep:
            self.z = _behind_each_other(like, shapes)
            self.delta = _behind_each_other(like, shapes)
        else:
            scratch = like.new_empty(3, max(math.prod(shape) for shape in shapes))
            self.z = [
                like.new_empty(shape) if linear else _view(scratch[2], shape)
                for shape, linear in zip(shapes, self._linear, strict=True)
            ]
            # the recursion reads one layer's delta while it writes the one below
            self.delta = [_view(scratch[k % 2], shape) for k, shape in enumerate(shapes)]
        # few outputs make thin rows, which the matrix product is slow at: one row a unit instead
        columns = like.new_empty(2, *runs, net.widths[-1], batch).mT
        self.z[-1], self.delta[-1] = columns.unbind()
        # a layer without an activation needs no copy of z, and no derivative
        self.a = [
            z if linear else a
            for z, a, linear in zip(
                self.z, _behind_each_other(like, shapes), self._linear, strict=True
            )
        ]
        self.derivative = _behind_each_other(like, shapes)
        for derivative, linear in zip(self.derivative, self._linear, strict=True):
            if linear:
                derivative.fill_(1.0)
        self.weight_gradients = _gradients([layer.W for layer in layers], weight_gradients)
        self.bias_gradients = _gradients([layer.b for layer in layers], bias_gradients)
        self._affine: Callable[..., Tensor] = torch.addmm if net.runs is None else torch.baddbmm
        inputs = {torch.Size((batch, net.widths[0])), torch.Size((*runs, batch, net.widths[0]))}
        self._fitting = {(shape, like.dtype, like.device) for shape in inputs}
        # looked into at every call: much cheaper than net.weights, which asks every module
        self._slots: list[dict[str, Any]] = [dense._parameters for dense in net.dense_layers]
        self._bind()

    @torch.no_grad()
    def backpropagate(
        self, x: Shaped[Tensor, "..."], t: Shaped[Tensor, "..."], loss: Loss
    ) -> Backpropagation:
        """Cost and gradients, as views of the buffers: the next call overwrites them.

        Raises:
            ValueError: if the examples are not as many as the buffers were made for, or do not fit.
        """
        if (x.shape, x.dtype, x.device) not in self._fitting:
            self._refuse(x)
        if self._moved():
            self._bind()
        if x.dim() < self.z[0].dim():
            x = x.expand(*self.z[0].shape[:1], *x.shape)
        if x.requires_grad or x.is_neg():
            x = x.detach().resolve_neg()
        with quiet():
            b, W_columns, z = self._first
            self._affine(b, x, W_columns, out=z)
            for operation in self._upward:
                operation()
        cost, slope = loss.per_example_and_delta(self.a[-1], t)
        with quiet():
            torch.div(slope, self.batch, out=self.delta[-1])
            for operation in self._downward:
                operation()
            self._first_gradient(x)
        # NumPy writes past torch's own count of changes, by which autograd knows what was overwritten
        increment_version(self._returned)
        return Backpropagation(
            loss=cost.mean(-1),
            deltas=self.delta if self._kept else [],
            weight_gradients=self.weight_gradients,
            bias_gradients=self.bias_gradients,
        )

    def _bind(self) -> None:
        """Choose the operations that every call goes through, with the parameters as they lie now."""
        layers = layers_of(self.net)
        shapes = [b.shape for _, b, _ in layers]
        if shapes != [b.shape for b in self.bias_gradients]:
            found = f"a network with widths={self.net.widths} and runs={self.net.runs}"
            expected = "the one that the buffers were made for"
            raise ValueError(describe(found, expected, "make new BackpropagationBuffers"))
        self._bound = [
            (slot, name, slot[name], slot[name].data_ptr(), slot[name].stride())
            for slot in self._slots
            for name in ("weight", "bias")
        ]
        gradients = [*self.weight_gradients, *self.bias_gradients]
        inner = [*self.z, *self.a, *self.derivative, *self.delta]
        # of what lies in one piece of memory one tensor says where that is
        pieces = {tensor.untyped_storage().data_ptr(): tensor for tensor in inner}
        self._places = [(t, t.data_ptr()) for t in (*gradients, *pieces.values())]
        returned = [*gradients, *self.delta] if self._kept else gradients
        self._returned = [tensor for tensor in returned if not tensor.is_inference()]
        detached = [layer._replace(W=layer.W.detach(), b=layer.b.detach()) for layer in layers]
        self._upward = self._operations_upward(detached)
        self._downward = self._operations_downward(detached)
        self._first = (detached[0].b.unsqueeze(-2), detached[0].W.mT, self.z[0])
        self._first_gradient = product_with(self.delta[0].mT, self.weight_gradients[0].detach())

    def _operations_upward(self, layers: list[Layer]) -> list[Operation]:
        """From z^[1], which the input's product has written, to a^[L]."""
        operations: list[Operation] = []
        for k, (W, b, activation) in enumerate(layers):
            z, a_prev, last = self.z[k], self.a[k - 1], k == len(layers) - 1
            if k > 0 and last:  # in columns
                columns = partial(self._affine, b.unsqueeze(-1), W, a_prev.mT, out=z.mT)
                operations.append(columns)
            elif k > 0:
                operations.append(partial(self._affine, b.unsqueeze(-2), a_prev, W.mT, out=z))
            if not self._linear[k]:
                operations += activation.bind(z, self.a[k], self.derivative[k])
        return operations

    def _operations_downward(self, layers: list[Layer]) -> list[Operation]:
        """From dC/da^[L] to every gradient but that of W^[1], whose other factor is the input."""
        operations: list[Operation] = []
        for k in reversed(range(len(layers))):
            delta = self.delta[k]
            if not self._linear[k]:
                operations.append(multiply(delta, self.derivative[k], delta))
            operations.append(sum_of_rows(delta, self.bias_gradients[k].detach()))
            if k > 0:
                weight_gradient = self.weight_gradients[k].detach()
                operations.append(product(delta.mT, self.a[k - 1], weight_gradient))
                operations.append(product(delta, layers[k].W, self.delta[k - 1]))
        return operations

    def _moved(self) -> bool:
        """Whether a parameter was replaced, or memory that operations are bound to has moved."""
        return any(
            slot[name] is not p or p.data_ptr() != at or p.stride() != stride
            for slot, name, p, at, stride in self._bound
        ) or any(tensor.data_ptr() != at for tensor, at in self._places)

    def _refuse(self, x: Tensor) -> None:
        require_shape(self.net, x)
        found = f"{x.shape[-2]} examples of {x.dtype} on {x.device}"
        own = self.z[0]
        expected = f"{self.batch} of {own.dtype} on {own.device}, as the buffers were made for"
        raise ValueError(describe(found, expected, "make new BackpropagationBuffers"))

    def __getstate__(self) -> dict[str, Any]:
        """Without the operations, which belong to this process's memory."""
        return {name: value for name, value in vars(self).items() if name not in _BOUND}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._bind()


def _behind_each_other(like: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """One tensor a layer; layers of one shape lie in one block, so that they can be read together."""
    found: dict[int, Tensor] = {}
    for shape in set(shapes):
        alike = [k for k, other in enumerate(shapes) if other == shape]
        found.update(zip(alike, like.new_empty(len(alike), *shape), strict=True))
    return [found[k] for k in range(len(shapes))]


def _view(memory: Tensor, shape: tuple[int, ...]) -> Tensor:
    return memory[: math.prod(shape)].view(shape)


def _gradients(parameters: list[Tensor], given: Sequence[Tensor] | None) -> list[Tensor]:
    if given is None:
        return [torch.empty_like(parameter) for parameter in parameters]
    wanted = [(tuple(p.shape), p.dtype, p.device) for p in parameters]
    found = [(tuple(g.shape), g.dtype, g.device) for g in given]
    if found != wanted:
        remedy = "give one tensor per layer, of its parameter's shape, type and device"
        raise ValueError(describe(f"gradient buffers {found}", f"{wanted}", remedy))
    return list(given)
