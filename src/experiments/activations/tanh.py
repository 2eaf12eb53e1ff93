r"""Hyperbolic tangent.

::

    sigma(z)   = tanh z
    sigma'(z)  = sech^2 z = 1 / cosh^2 z
    sigma''(z) = -2 tanh z sech^2 z

Kink:   none.
Form:   sech z is squared last: where cosh^2 z would overflow, the square of sech z still is a
        number. Torch's 1 - a^2 is 0 from |z| = 9.1 in float32, where the truth is 5e-8.
Range:  (-1, 1).   Derivative: (0, 1].   Saturates: both ends.

References:
    LeCun, Bottou, Orr & Müller (1998), section 4.4.
"""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, differentiable, in_single, native_derivative


@in_single
def tanh(z: Tensor) -> Tensor:
    """sigma(z) = tanh z."""
    return torch.tanh(z)


@in_single
def tanh_derivative(z: Tensor) -> Tensor:
    """sigma'(z) = sech^2 z."""
    return torch.cosh(z).reciprocal().square()


@in_single
def tanh_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z) = -2 tanh z sech^2 z."""
    return -2.0 * torch.tanh(z) * tanh_derivative(z)


class TanhFunction(Elementwise):
    """sigma as autograd sees it."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return tanh(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * differentiable(TanhDerivative, z)


class TanhDerivative(Elementwise):
    """sigma' as autograd sees it, for the double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return tanh_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * tanh_second_derivative(z)


@final
class Tanh(Activation):
    """The hyperbolic tangent.

    Example:
        >>> Tanh().derivative(torch.tensor([0.0, 10.0]))
        tensor([1.0000e+00, 8.2446e-09])
    """

    max_derivative = 1.0
    saturates = ("left", "right")
    range = (-1.0, 1.0)

    def forward(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return torch.tanh(z) if self.rule == "native" else differentiable(TanhFunction, z)

    def value(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return torch.tanh(z) if self.rule == "native" else tanh(z)

    def derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        if self.rule == "native":
            return native_derivative(torch.tanh, z)
        return differentiable(TanhDerivative, z)

    def second_derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        if self.rule == "native":
            return native_derivative(torch.tanh, z, order=2)
        return tanh_second_derivative(z)

    def evaluate(
        self, z: Float[Tensor, "*n"], a: Float[Tensor, "*n"], derivative: Float[Tensor, "*n"]
    ) -> None:
        torch.tanh(z, out=a)
        if self.rule == "native":
            torch.mul(a, a, out=derivative)
            torch.sub(1.0, derivative, out=derivative)
        else:
            torch.cosh(z, out=derivative).reciprocal_().square_()
