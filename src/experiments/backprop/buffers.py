"""Backpropagation in preallocated memory, for loops that call it at every step."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.autograd.graph import increment_version

from experiments.activations import Identity
from experiments.backprop.checks import Layer, layers_of, require_shape
from experiments.backprop.gradients import Backpropagation
from experiments.backprop.memory import PassMemory, reserve
from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.core.operations import (
    Operation,
    Operations,
    multiply,
    product,
    product_with,
    quiet,
    sum_of_rows,
)
from experiments.models import MLP

#: of a quantity's name, a layer and its tensor: operations on that tensor
Observe = Callable[[str, int, Tensor], Operations]

#: attributes that ``_bind`` sets
_NOT_PICKLED = frozenset(
    (
        "_bound_parameters",
        "_bound_memory",
        "_returned",
        "_forward",
        "_backward",
        "_first_affine",
        "_first_weight_gradient",
        "_last",
    )
)


class BackpropagationBuffers:
    """Memory for z, a, sigma'(z), delta and all gradients of one network or stack.

    Every operation of a pass writes into this memory, so a narrow network does not spend its time on
    allocation and bookkeeping. A stack of runs takes as many operations as one run.

    Args:
        net: the network. Its parameters are read at every call; they may be updated in place or
            replaced, as long as their shapes, device and type stay the same.
        batch: number of examples in a call.
        weight_gradients: tensors that receive dC/dW^[l], one per layer in the shape of W^[l]; they may
            be views of a larger buffer. None allocates them.
        bias_gradients: the same for b^[l].
        keep: keep z and delta of every layer until the next call. With False the layers share this
            memory, because only a and sigma'(z) are needed twice. That halves the memory, and a deep
            stack stays in the processor's cache; ``z`` and ``delta`` are then overwritten during the
            pass, and no deltas are returned.
        sharing: buffers of the same network and batch; a and sigma'(z) are written into their memory,
            so a pass with either of the two overwrites those of the other.
        compile: compute activations in loops that Numba compiles (``Activation.bind``); worth its second
            for many calls.
        observe: called with the name of a quantity ("a", "derivative", "delta", "weight",
            "weight_gradient", "bias_gradient"), the layer (from 0) and its tensor. The operations that it
            returns are made in every pass, right after the one that writes the tensor, while it is in
            the processor's caches; those on a layer's weights in the backward pass.

    Raises:
        ValueError: if a given gradient does not have the shape and type of its parameter, or ``sharing``
            was made for another network or batch.
        ConfigurationError: if ``compile`` needs Numba and it is not installed.

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
        sharing: "BackpropagationBuffers | None" = None,
        compile: bool = False,
        observe: Observe | None = None,
    ) -> None:
        layers = layers_of(net)
        runs = () if net.runs is None else (net.runs,)
        self.net = net
        self.batch = batch
        self._keep = keep
        self._linear = [isinstance(layer.activation, Identity) for layer in layers]
        for layer in layers:
            layer.evaluate(layer.b.detach())  # fails now if a derivative is missing
        like = layers[0].W
        self._compile = compile
        self._observe = observe or _nothing
        shapes = [(*runs, batch, n) for n in net.widths[1:]]
        if sharing:
            self._require_like(sharing, like, shapes)
        there = sharing._memory if sharing else None
        self._memory: PassMemory = reserve(like, shapes, self._linear, keep, there)
        self.z, self.a, self.derivative, self.delta = self._memory
        #: whether the activation of some layer is computed in a compiled loop
        self.compiled = compile and any(
            layer.activation.compiles(*buffers)
            for layer, *buffers in zip(layers, self.z, self.a, self.derivative, strict=True)
        )
        self.weight_gradients = _gradients([layer.W for layer in layers], weight_gradients)
        self.bias_gradients = _gradients([layer.b for layer in layers], bias_gradients)
        self._affine: Callable[..., Tensor] = torch.addmm if net.runs is None else torch.baddbmm
        inputs = {torch.Size((batch, net.widths[0])), torch.Size((*runs, batch, net.widths[0]))}
        self._accepted_inputs = {(shape, like.dtype, like.device) for shape in inputs}
        # read at every call; much faster than net.weights, which searches every module
        self._parameter_dicts: list[dict[str, Any]] = [
            dense._parameters for dense in net.dense_layers
        ]
        self._bind()

    @torch.no_grad()
    def backpropagate(
        self, x: Shaped[Tensor, "..."], t: Shaped[Tensor, "..."], loss: Loss
    ) -> Backpropagation:
        """Cost and gradients, as views of the buffers: the next call overwrites them.

        Raises:
            ValueError: if the number of examples is not ``batch``, or they do not fit the network.
        """
        if (x.shape, x.dtype, x.device) not in self._accepted_inputs:
            self._refuse(x)
        if self._is_outdated():
            self._bind()
        if x.dim() < self.z[0].dim():
            x = x.expand(*self.z[0].shape[:1], *x.shape)
        if x.requires_grad or x.is_neg():
            x = x.detach().resolve_neg()
        with quiet():
            b, W_columns, z = self._first_affine
            self._affine(b, x, W_columns, out=z)
            for operation in self._forward:
                operation()
        cost, slope = loss.per_example_and_delta(self.a[-1], t)
        with quiet():
            torch.div(slope, self.batch, out=self.delta[-1])
            for operation in self._backward:
                operation()
            self._first_weight_gradient(x)
            for operation in self._last:
                operation()
        # NumPy bypasses the version counters by which autograd notices overwritten tensors
        increment_version(self._returned)
        return Backpropagation(
            loss=cost.mean(-1),
            deltas=self.delta if self._keep else [],
            weight_gradients=self.weight_gradients,
            bias_gradients=self.bias_gradients,
        )

    def _require_like(
        self, sharing: "BackpropagationBuffers", like: Tensor, shapes: Sequence[tuple[int, ...]]
    ) -> None:
        kinds = [(torch.Size(shape), like.dtype, like.device) for shape in shapes]
        if [(d.shape, d.dtype, d.device) for d in sharing.derivative] != kinds:
            found = f"sharing buffers of widths {sharing.net.widths}, batch {sharing.batch}"
            expected = f"widths {self.net.widths}, batch {self.batch}, as many runs, one type"
            remedy = "share buffers of the same network and batch"
            raise ValueError(describe(found, expected, remedy))

    def _bind(self) -> None:
        """Prepare the operations of a call for the current memory of the parameters."""
        layers = layers_of(self.net)
        shapes = [b.shape for _, b, _ in layers]
        if shapes != [b.shape for b in self.bias_gradients]:
            found = f"a network with widths={self.net.widths} and runs={self.net.runs}"
            expected = "the network that the buffers were made for"
            raise ValueError(describe(found, expected, "make new BackpropagationBuffers"))
        self._bound_parameters = [
            (parameters, name, p, p.data_ptr(), p.stride())
            for parameters in self._parameter_dicts
            for name in ("weight", "bias")
            for p in [parameters[name]]
        ]
        gradients = [*self.weight_gradients, *self.bias_gradients]
        inner = [*self.z, *self.a, *self.derivative, *self.delta]
        # one tensor per storage is enough to notice that the storage has moved
        storages = {tensor.untyped_storage().data_ptr(): tensor for tensor in inner}
        self._bound_memory = [(t, t.data_ptr()) for t in (*gradients, *storages.values())]
        returned = [*gradients, *self.delta] if self._keep else gradients
        self._returned = [tensor for tensor in returned if not tensor.is_inference()]
        detached = [layer._replace(W=layer.W.detach(), b=layer.b.detach()) for layer in layers]
        self._forward = self._forward_operations(detached)
        self._backward = self._backward_operations(detached)
        self._first_affine = (detached[0].b.unsqueeze(-2), detached[0].W.mT, self.z[0])
        self._first_weight_gradient = product_with(
            self.delta[0].mT, self.weight_gradients[0].detach()
        )
        self._last = self._observe("weight_gradient", 0, self.weight_gradients[0].detach())

    def _forward_operations(self, layers: list[Layer]) -> list[Operation]:
        """From z^[2], which the product with the input has written, to a^[L]."""
        operations: list[Operation] = []
        for k, (W, b, activation) in enumerate(layers):
            z, a_prev, last = self.z[k], self.a[k - 1], k == len(layers) - 1
            if k > 0 and last:  # stored column by column
                affine = partial(self._affine, b.unsqueeze(-1), W, a_prev.mT, out=z.mT)
                operations.append(affine)
            elif k > 0:
                operations.append(partial(self._affine, b.unsqueeze(-2), a_prev, W.mT, out=z))
            if not self._linear[k]:
                operations += activation.bind(z, self.a[k], self.derivative[k], self._compile)
            operations += self._observe("a", k, self.a[k])
            operations += self._observe("derivative", k, self.derivative[k])
        return operations

    def _backward_operations(self, layers: list[Layer]) -> list[Operation]:
        """From dC/da^[L] to every gradient except that of W^[2], which also needs the input."""
        operations: list[Operation] = []
        for k in reversed(range(len(layers))):
            delta, W = self.delta[k], layers[k].W
            if not self._linear[k]:
                operations.append(multiply(delta, self.derivative[k], delta))
            operations += self._observe("delta", k, delta)
            bias_gradient = self.bias_gradients[k].detach()
            operations.append(sum_of_rows(delta, bias_gradient))
            operations += self._observe("bias_gradient", k, bias_gradient)
            if k > 0:
                weight_gradient = self.weight_gradients[k].detach()
                operations.append(product(delta.mT, self.a[k - 1], weight_gradient))
                operations += self._observe("weight_gradient", k, weight_gradient)
                operations.append(product(delta, W, self.delta[k - 1]))
            operations += self._observe("weight", k, W)
        return operations

    def _is_outdated(self) -> bool:
        """Whether a parameter was replaced, or memory that the operations use has moved."""
        return any(
            parameters[name] is not p or p.data_ptr() != address or p.stride() != stride
            for parameters, name, p, address, stride in self._bound_parameters
        ) or any(tensor.data_ptr() != address for tensor, address in self._bound_memory)

    def _refuse(self, x: Tensor) -> None:
        require_shape(self.net, x)
        found = f"{x.shape[-2]} examples of {x.dtype} on {x.device}"
        z = self.z[0]
        expected = f"{self.batch} of {z.dtype} on {z.device}, as the buffers were made for"
        raise ValueError(describe(found, expected, "make new BackpropagationBuffers"))

    def __getstate__(self) -> dict[str, Any]:
        """Without the operations, which refer to the memory of this process."""
        return {name: value for name, value in vars(self).items() if name not in _NOT_PICKLED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._bind()


def _nothing(*_: object) -> Operations:
    return ()


def _gradients(parameters: list[Tensor], given: Sequence[Tensor] | None) -> list[Tensor]:
    if given is None:
        return [torch.empty_like(parameter) for parameter in parameters]
    expected = [(tuple(p.shape), p.dtype, p.device) for p in parameters]
    found = [(tuple(g.shape), g.dtype, g.device) for g in given]
    if found != expected:
        remedy = "give one tensor per layer with the shape, type and device of its parameter"
        raise ValueError(describe(f"gradient buffers {found}", f"{expected}", remedy))
    return list(given)
