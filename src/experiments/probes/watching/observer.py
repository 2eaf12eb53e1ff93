"""Sees what the layers of any torch model compute in one step, without changing it.

While an ``Observer`` is active, every function of torch passes through it. A linear map or a convolution
with one of the model's parameters is a layer; the first pointwise function of its result, perhaps behind
normalisation, dropout or pooling, is its activation. Modules and functions are seen alike, in-place ones
too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from experiments.probes.watching.layer import Call, Layer
from experiments.probes.watching.pointwise import POINTWISE, name_of, pointwise

#: functions of (input, weight, bias), and the axis of their result that counts units
PRODUCTS: Mapping[Callable[..., Any], int] = {
    functional.linear: -1,
    functional.conv1d: -2,
    functional.conv2d: -3,
    functional.conv3d: -4,
    functional.conv_transpose1d: -2,
    functional.conv_transpose2d: -3,
    functional.conv_transpose3d: -4,
}
#: what may come between a layer and its activation
BETWEEN = frozenset(
    (
        *("batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"),
        *("alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"),
        *("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"),
    )
)


class Observer(TorchFunctionMode):
    """Collects the layers that are used while it is active, in order of their first use.

    Args:
        names: of the model's parameters, by ``id``; weights that are not among them are no layers.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.layers: dict[int, Layer] = {}
        self._names = names
        self._handles: list[RemovableHandle] = []
        #: results that an activation may follow, by id, and their version, which changes in place;
        #: while they are held, no other tensor has the id
        self._open: dict[int, tuple[Tensor, int, Call]] = {}
        self._notes = True

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in PRODUCTS:
            z = func(*args, **kwargs)
            self._multiplied(PRODUCTS[func], z, *args, **kwargs)
            return z
        if func is torch.autograd.grad:  # of a penalty, say: no part of the cost's own gradient
            self._notes = False
            try:
                return func(*args, **kwargs)
            finally:
                self._notes = True
        given: Any = args[0] if args else kwargs.get("input")
        call = self._followed(given) if torch.is_grad_enabled() else None
        if call is None:
            return func(*args, **kwargs)
        name = name_of(func)
        if name in POINTWISE:
            del self._open[id(given)]
            argument = call.copied(given)
            a = func(*args, **kwargs)
            options = {key: value for key, value in kwargs.items() if key != "input"}
            sigma = pointwise(func, args[1:], options)
            # a result on which the cost does not depend, such as a metric's, is no activation
            self._hook(a, partial(call.activated, sigma, argument, call.copied(a)))
            return a
        result = func(*args, **kwargs)
        if name in BETWEEN:
            self._follow(result, call)
        return result

    def close(self) -> None:
        """Remove every hook from the model."""
        for handle in self._handles:
            handle.remove()
        self._open.clear()

    def _follow(self, result: Tensor, call: Call) -> None:
        self._open[id(result)] = result, result._version, call

    def _followed(self, argument: object) -> Call | None:
        """The layer's use of which this is the result, unless it was changed in place since."""
        result, version, call = self._open.get(id(argument), (None, 0, None))
        return call if result is not None and result._version == version else None

    def _multiplied(
        self,
        units: int,
        z: Tensor,
        input: Tensor,  # as torch calls it
        weight: Tensor,
        bias: Tensor | None = None,
        *_: Any,
        **__: Any,
    ) -> None:
        """Note one use of a layer, unless nothing of the model can be trained there."""
        name = self._names.get(id(weight))
        if name is None or not (weight.requires_grad and z.requires_grad and z.is_floating_point()):
            return
        if id(weight) not in self.layers:
            trained = bias if bias is not None and bias.requires_grad else None
            self.layers[id(weight)] = layer = Layer(name, weight, trained)
            for key, parameter in layer.parameters.items():
                self._hook(parameter, partial(layer.differentiated, key))
        call = Call(z, units)
        self.layers[id(weight)].calls.append(call)
        self._hook(z, call.differentiated)
        self._follow(z, call)

    def _hook(self, tensor: Tensor, note: Callable[[Tensor], None]) -> None:
        """Note the tensor's gradient in every backward pass, before clipping and the like."""

        def noted(gradient: Tensor) -> None:
            if self._notes:
                note(gradient)

        self._handles.append(tensor.register_hook(noted))
