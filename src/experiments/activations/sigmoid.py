r"""Sigmoid, the logistic function.

::

    sigma(z)   = 1 / (1 + e^-z)
    sigma'(z)  = sigma(z) sigma(-z) = e / (1 + e)^2,   e = e^-|z|
    sigma''(z) = -sigma'(z) tanh(z/2)

Kink:   none.
Form:   sigma' is even and computed from e <= 1, so both tails keep their digits. Torch's a (1 - a)
        is off by 5,700 units in the last place at z = 10 and 0 from z = 17 in float32.
Range:  (0, 1).   Derivative: (0, 1/4].   Saturates: both ends.

References:
    Higham & Higham (2019), eq. 2.1; note 001.
"""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, differentiable, in_single, native_derivative


@in_single
def sigmoid(z: Tensor) -> Tensor:
    """sigma(z); e^z takes over where 1 + e^-z overflows."""
    return torch.maximum(torch.sigmoid(z), z.clamp(max=-40.0).exp_())


@in_single
def sigmoid_derivative(z: Tensor) -> Tensor:
    """sigma'(z) = e / (1 + e)^2."""
    e = z.abs().neg_().exp_()
    return e / (1.0 + e).square()


@in_single
def sigmoid_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z) = -sigma'(z) tanh(z/2)."""
    return -sigmoid_derivative(z) * torch.tanh(0.5 * z)


class SigmoidFunction(Elementwise):
    """sigma as autograd sees it."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return sigmoid(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * differentiable(SigmoidDerivative, z)


class SigmoidDerivative(Elementwise):
    """sigma' as autograd sees it, for the double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return sigmoid_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * sigmoid_second_derivative(z)


@final
class Sigmoid(Activation):
    """The sigmoid.

    Example:
        >>> Sigmoid().derivative(torch.tensor([0.0, 20.0]))
        tensor([2.5000e-01, 2.0612e-09])
    """

    max_derivative = 0.25
    saturates = ("left", "right")
    range = (0.0, 1.0)

    def forward(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return torch.sigmoid(z) if self.rule == "native" else differentiable(SigmoidFunction, z)

    def value(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return torch.sigmoid(z) if self.rule == "native" else sigmoid(z)

    def derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        if self.rule == "native":
            return native_derivative(torch.sigmoid, z)
        return differentiable(SigmoidDerivative, z)

    def second_derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        if self.rule == "native":
            return native_derivative(torch.sigmoid, z, order=2)
        return sigmoid_second_derivative(z)

    def evaluate(
        self, z: Float[Tensor, "*n"], a: Float[Tensor, "*n"], derivative: Float[Tensor, "*n"]
    ) -> None:
        torch.sigmoid(z, out=a)
        if self.rule == "native":
            torch.sub(1.0, a, out=derivative)
        else:
            torch.neg(z, out=derivative).sigmoid_()
        derivative.mul_(a)
