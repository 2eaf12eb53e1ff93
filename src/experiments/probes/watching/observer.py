"""Sees what the layers of any torch model compute in one step, without changing it.

While an ``Observer`` is active, every function of torch passes through it. A linear map or a convolution
with one of the model's parameters is a layer; the first pointwise function of its result, perhaps behind
normalisation or dropout, is its activation. Modules and functions are seen alike, in-place ones too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from experiments.core.errors import ConfigurationError, describe
from experiments.probes.watching.layer import Call, Layer
from experiments.probes.watching.pointwise import POINTWISE, name_of, pointwise

#: functions of (input, weight, bias), and the axis of their result that counts units
PRODUCTS: Mapping[Callable[..., Any], int] = {
    functional.linear: -1,
    functional.conv1d: -2,
    functional.conv2d: -3,
    functional.conv3d: -4,
}
#: what may come between a layer and its activation
BETWEEN = frozenset(
    (
        *("batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"),
        *("alpha_dropout", "dropout"),
    )
)


class Observer(TorchFunctionMode):
    """Collects the layers that are used while it is active, in order of their first use.

    Args:
        names: of the model's parameters, by ``id``.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.layers: dict[int, Layer] = {}
        self._names = names
        self._handles: list[RemovableHandle] = []
        #: results that an activation may follow, by id; while they are held, no other tensor has it
        self._open: dict[int, tuple[Tensor, Call]] = {}

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
        before, call = self._open.get(id(args[0]), (None, None)) if args else (None, None)
        if before is None or call is None:
            return func(*args, **kwargs)
        name = name_of(func)
        if name in POINTWISE:
            del self._open[id(before)]
            call.argument = call.copied(before)
            result = func(*args, **kwargs)
            call.sigma, call.a = pointwise(func, args[1:], kwargs), call.copied(result)
            return result
        result = func(*args, **kwargs)
        if name in BETWEEN:
            self._open[id(result)] = result, call
        return result

    def close(self) -> None:
        """Remove every hook from the model."""
        for handle in self._handles:
            handle.remove()
        self._open.clear()

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
        """Note one use of a layer, unless nothing can be trained there."""
        if not (z.requires_grad and weight.requires_grad):
            return
        if id(weight) not in self.layers:
            self.layers[id(weight)] = self._new(weight, bias)
        call = Call(z, units)
        self.layers[id(weight)].calls.append(call)
        self._handles.append(z.register_hook(call.differentiated))
        self._open[id(z)] = z, call

    def _new(self, weight: Tensor, bias: Tensor | None) -> Layer:
        if id(weight) not in self._names:
            raise ConfigurationError(
                describe(
                    f"a layer whose weight, {tuple(weight.shape)}, is no parameter of the model",
                    "parameters of the watched module, used as they are",
                    "watch the module that owns them; weights that are computed from parameters "
                    "(weight norm, spectral norm) cannot be watched",
                )
            )
        trained = bias if bias is not None and bias.requires_grad else None
        layer = Layer(self._names[id(weight)], weight, trained)
        self._handles += layer.hooks()
        return layer
