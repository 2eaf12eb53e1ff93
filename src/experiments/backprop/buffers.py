"""The same recursion in memory that is reserved once: what a training loop calls every step."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from experiments.activations import Identity
from experiments.backprop.admission import layers_of, require_shape
from experiments.backprop.gradients import Backpropagation
from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.models import MLP


class _Upward(NamedTuple):
    """What the forward pass of one hidden layer reads and writes."""

    b: Tensor
    W_columns: Tensor
    z: Tensor
    a: Tensor
    derivative: Tensor
    evaluate: Callable[[Tensor, Tensor, Tensor], None]


class _Downward(NamedTuple):
    """What the backward pass of one layer reads and writes; None where there is nothing to do."""

    delta: Tensor
    delta_columns: Tensor
    a_prev: Tensor | None
    derivative: Tensor | None
    weight_gradient: Tensor
    bias_gradient: Tensor
    W: Tensor
    delta_prev: Tensor | None


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
        # fill is evaluate without its own no_grad, which this loop has around it
        self._evaluate = [
            sigma.fill if sigma.rule == "exact" else sigma.evaluate for _, _, sigma in layers
        ]
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
        stacked = net.runs is not None
        self._affine: Callable[..., Tensor] = torch.baddbmm if stacked else torch.addmm
        self._product: Callable[..., Tensor] = torch.bmm if stacked else torch.mm
        self._total = _sum_over_rows if stacked else _product_with(like.new_ones(batch))
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
        if any(slot[name] is not p or p.data_ptr() != at for slot, name, p, at in self._bound):
            self._bind()
        if x.dim() < self.z[0].dim():
            x = x.expand(*self.z[0].shape[:1], *x.shape)
        self._forward(x)
        cost, slope = loss.per_example_and_delta(self.a[-1], t)
        torch.div(slope, self.batch, out=self.delta[-1])
        self._backward(x)
        return Backpropagation(
            loss=cost.mean(-1),
            deltas=self.delta if self._kept else [],
            weight_gradients=self.weight_gradients,
            bias_gradients=self.bias_gradients,
        )

    def _forward(self, x: Tensor) -> None:
        affine, a_prev = self._affine, x
        for b, W_columns, z, a, derivative, evaluate in self._upward:
            affine(b, a_prev, W_columns, out=z)
            if a is not z:
                evaluate(z, a, derivative)
            a_prev = a
        b, W, z_columns = self._top
        affine(b, W, a_prev.mT, out=z_columns)
        if not self._linear[-1]:
            self._evaluate[-1](self.z[-1], self.a[-1], self.derivative[-1])

    def _backward(self, x: Tensor) -> None:
        product, total = self._product, self._total
        for delta, columns, a_prev, derivative, dW, db, W, delta_prev in self._downward:
            if derivative is not None:
                delta.mul_(derivative)
            product(columns, x if a_prev is None else a_prev, out=dW)
            total(delta, columns, db)
            if delta_prev is not None:
                product(delta, W, out=delta_prev)

    def _bind(self) -> None:
        """Make the views of the parameters that every call uses."""
        layers = layers_of(self.net)
        shapes = [b.shape for _, b, _ in layers]
        if shapes != [b.shape for b in self.bias_gradients]:
            found = f"a network with widths={self.net.widths} and runs={self.net.runs}"
            expected = "the one that the buffers were made for"
            raise ValueError(describe(found, expected, "make new BackpropagationBuffers"))
        self._bound = [
            (slot, name, slot[name], slot[name].data_ptr())
            for slot in self._slots
            for name in ("weight", "bias")
        ]
        self._upward = [
            _Upward(layer.b.unsqueeze(-2), layer.W.mT, z, a, derivative, evaluate)
            for layer, z, a, derivative, evaluate in zip(
                layers[:-1], self.z, self.a, self.derivative, self._evaluate, strict=False
            )
        ]
        self._top = (layers[-1].b.unsqueeze(-1), layers[-1].W, self.z[-1].mT)
        self._downward = [
            _Downward(
                delta=self.delta[k],
                delta_columns=self.delta[k].mT,
                a_prev=self.a[k - 1] if k else None,
                derivative=None if self._linear[k] else self.derivative[k],
                weight_gradient=self.weight_gradients[k],
                bias_gradient=self.bias_gradients[k],
                W=layers[k].W,
                delta_prev=self.delta[k - 1] if k else None,
            )
            for k in reversed(range(len(layers)))
        ]

    def _refuse(self, x: Tensor) -> None:
        require_shape(self.net, x)
        found = f"{x.shape[-2]} examples for buffers of {self.batch}"
        raise ValueError(describe(found, "equal numbers", "make buffers for this batch size"))


def _sum_over_rows(delta: Tensor, _: Tensor, out: Tensor) -> None:
    torch.sum(delta, -2, out=out)


def _product_with(ones: Tensor) -> Callable[[Tensor, Tensor, Tensor], object]:
    """The same sum as a product with ones, which starts faster; for one network."""
    return lambda _, delta_columns, out: torch.mv(delta_columns, ones, out=out)


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
