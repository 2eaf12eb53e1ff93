"""What one layer of a watched model computes in one step."""

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from experiments.probes.watching.pointwise import IDENTITY, Pointwise, in_turn


def kept(tensor: Tensor) -> Tensor:
    """A copy, in single precision at least: gradients divided by a loss scale leave half precision."""
    wide = torch.promote_types(tensor.dtype, torch.float32)
    return tensor.detach().to(wide, copy=True)


class Call:
    """One use of a layer; its tensors are copies of shape (examples, units).

    Args:
        z: the result, in the shape that torch gives it.
        units: the axis of z that counts units; positions in a sequence or an image are examples.

    Attributes:
        z: the result.
        sigma: the activation.
        argument: what the activation is applied to.
        a: its value.
        delta: dC/dz, once it is known.
    """

    def __init__(self, z: Tensor, units: int) -> None:
        self._units = units
        self.z = self.argument = self.a = self.copied(z)
        self.sigma = IDENTITY
        self.delta: Tensor | None = None

    def activated(self, sigma: Pointwise, argument: Tensor, a: Tensor, _gradient: Tensor) -> None:
        """Note the activation, once a gradient comes through it."""
        self.sigma, self.argument, self.a = sigma, argument, a

    def differentiated(self, gradient: Tensor) -> None:
        """Note dC/dz; several backward passes add up."""
        delta = self.copied(gradient)
        self.delta = delta if self.delta is None else self.delta + delta

    def copied(self, result: Tensor) -> Tensor:
        """A copy of a tensor in the shape of z, which may be changed in place later."""
        if result.dim() == 2 and self._units == -1:
            return kept(result)
        units_last = result.detach().movedim(self._units, -1)
        return kept(units_last.reshape(-1, units_last.shape[-1]))


class Layer:
    """A layer in one step: its uses, and its parameters before the update.

    Args:
        name: of the weight.
        weight: its parameter.
        bias: its parameter, or None if it has none that is trained.

    Attributes:
        parameters: the weight, and the bias if there is one.
        calls: all uses, to be filled in.
    """

    def __init__(self, name: str, weight: Tensor, bias: Tensor | None) -> None:
        self.name = name
        self.parameters = {"weight": weight} | ({} if bias is None else {"bias": bias})
        self.calls: list[Call] = []
        self._before = {key: kept(parameter) for key, parameter in self.parameters.items()}
        self._gradients: dict[str, Tensor] = {}

    def differentiated(self, key: str, gradient: Tensor) -> None:
        """Note the gradient of a parameter; several backward passes add up."""
        earlier = self._gradients.get(key)
        self._gradients[key] = kept(gradient) if earlier is None else earlier + gradient.detach()

    @property
    def is_differentiated(self) -> bool:
        """Whether ``backward`` was called on something that depends on it."""
        return "weight" in self._gradients and bool(self._uses)

    @cached_property
    def sigma(self) -> Pointwise:
        """The activation; if the uses differ in it, each has its own."""
        sigmas = [call.sigma for call in self._uses]
        return in_turn(sigmas, [len(call.argument) for call in self._uses])

    @property
    def z(self) -> Tensor:
        """The results of all uses, (examples, units)."""
        return self._joined(lambda call: call.z)

    @property
    def argument(self) -> Tensor:
        """What the activation is applied to."""
        return self._joined(lambda call: call.argument)

    @property
    def a(self) -> Tensor:
        return self._joined(lambda call: call.a)

    @property
    def delta(self) -> Tensor:
        return self._joined(lambda call: torch.as_tensor(call.delta))

    @property
    def weight(self) -> Tensor:
        """Before the update, in the parameter's shape."""
        return self._before["weight"]

    @property
    def update(self) -> Tensor:
        """The change of the weight since its first use in the step."""
        return self.parameters["weight"].detach() - self.weight

    @property
    def weight_gradient(self) -> Tensor:
        return self._gradients["weight"]

    @property
    def bias(self) -> Tensor:
        """Before the update, (units,); NaN without a bias that is trained."""
        return self._before["bias"] if "bias" in self._before else self._no_bias()

    @property
    def bias_gradient(self) -> Tensor:
        return self._gradients["bias"] if "bias" in self._gradients else self._no_bias()

    def _no_bias(self) -> Tensor:
        z = self._uses[0].z
        return z.new_full(z.shape[1:], torch.nan)

    @cached_property
    def _uses(self) -> Sequence[Call]:
        """The uses on which the loss depends, empty batches aside; asked for only after the step."""
        return [call for call in self.calls if call.delta is not None and call.delta.numel()]

    def _joined(self, part: Callable[[Call], Tensor]) -> Tensor:
        first, *others = [part(call) for call in self._uses]
        return torch.cat([first, *others]) if others else first
