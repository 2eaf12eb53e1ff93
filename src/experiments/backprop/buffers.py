"""The same recursion in memory that is reserved once: what a training loop calls every step."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from experiments.activations import Identity
from experiments.backprop.admission import layers_of, require_shape
from experiments.backprop.gradients import Backpropagation
from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.models import MLP


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
    ) -> None:
        layers = layers_of(net)
        runs = () if net.runs is None else (net.runs,)
        self.net = net
        self.batch = batch
        self._linear = [isinstance(layer.activation, Identity) for layer in layers]
        for layer in layers:
            layer.evaluate(layer.b.detach())  # a derivative that is missing is missed now
        # fill is evaluate without its own no_grad, which this loop has around it
        self._evaluate = [
            sigma.fill if sigma.rule == "exact" else sigma.evaluate for _, _, sigma in layers
        ]
        like = layers[0].W
        shapes = [(*runs, batch, n) for n in net.widths[1:]]
        self.z = [like.new_empty(shape) for shape in shapes]
        self.delta = [like.new_empty(shape) for shape in shapes]
        # a layer without an activation needs no copy of z, and no derivative
        self.a = [
            z if linear else torch.empty_like(z)
            for z, linear in zip(self.z, self._linear, strict=True)
        ]
        self.derivative = [torch.ones_like(z) for z in self.z]
        self.weight_gradients = _gradients([layer.W for layer in layers], weight_gradients)
        self.bias_gradients = _gradients([layer.b for layer in layers], bias_gradients)
        self._delta_columns = [delta.mT for delta in self.delta]
        stacked = net.runs is not None
        self._affine: Callable[..., Tensor] = torch.baddbmm if stacked else torch.addmm
        self._product: Callable[..., Tensor] = torch.bmm if stacked else torch.mm
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
            cost.mean(-1), self.delta, self.weight_gradients, self.bias_gradients
        )

    def _forward(self, x: Tensor) -> None:
        affine, a_prev = self._affine, x
        for k, evaluate in enumerate(self._evaluate):
            affine(self._bias_rows[k], a_prev, self._weight_columns[k], out=self.z[k])
            a_prev = self.a[k]
            if not self._linear[k]:
                evaluate(self.z[k], a_prev, self.derivative[k])

    def _backward(self, x: Tensor) -> None:
        product = self._product
        for k in range(len(self.z) - 1, -1, -1):
            delta = self.delta[k]
            if not self._linear[k]:
                delta.mul_(self.derivative[k])
            a_prev = self.a[k - 1] if k else x
            product(self._delta_columns[k], a_prev, out=self.weight_gradients[k])
            torch.sum(delta, -2, out=self.bias_gradients[k])
            if k:
                product(delta, self._weights[k], out=self.delta[k - 1])

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
        self._weights = [W for W, _, _ in layers]
        self._weight_columns = [W.mT for W, _, _ in layers]
        self._bias_rows = [b.unsqueeze(-2) for _, b, _ in layers]

    def _refuse(self, x: Tensor) -> None:
        require_shape(self.net, x)
        found = f"{x.shape[-2]} examples for buffers of {self.batch}"
        raise ValueError(describe(found, "equal numbers", "make buffers for this batch size"))


def _gradients(parameters: list[Tensor], given: Sequence[Tensor] | None) -> list[Tensor]:
    if given is None:
        return [torch.empty_like(parameter) for parameter in parameters]
    wanted = [(tuple(p.shape), p.dtype, p.device) for p in parameters]
    found = [(tuple(g.shape), g.dtype, g.device) for g in given]
    if found != wanted:
        remedy = "give one tensor per layer, of its parameter's shape, type and device"
        raise ValueError(describe(f"gradient buffers {found}", f"{wanted}", remedy))
    return list(given)
