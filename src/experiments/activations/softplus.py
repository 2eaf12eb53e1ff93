r"""Softplus: the integral of the sigmoid, a smooth ReLU.

::

    sigma(z)   = ln(1 + e^z) = max(z, 0) + ln(1 + e),   e = e^-|z|
    sigma'(z)  = 1 / (1 + e^-z)
    sigma''(z) = s - s^2,   s = e / (1 + e)

Kink:   none.
Form:   e never overflows, so one formula is accurate on the whole line.
Torch:  returns z, and sigma' = 1, from z = 20 on. In float64 this is off by up to 6e5 units in the last
        place for sigma and 2e7 for sigma', and sigma'' is 0.
Range:  (0, inf).   Derivative: (0, 1).   Saturates: z -> -inf.

References:
    Dugas, Bengio, Bélisle, Nadeau & Garcia (2001), eq. 5.
"""

import math
from typing import Any, final

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, apply, in_single_precision
from experiments.core.operations import Operations


@in_single_precision
def softplus(z: Tensor) -> Tensor:
    """sigma(z) = max(z, 0) + ln(1 + e^-|z|)."""
    return z.clamp(min=0.0) + z.abs().neg_().exp_().log1p()


@in_single_precision
def softplus_derivative(z: Tensor) -> Tensor:
    """sigma'(z), the sigmoid; e^z replaces it where 1 + e^-z overflows."""
    return torch.maximum(torch.sigmoid(z), z.clamp(max=-40.0).exp_())


@in_single_precision
def softplus_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z) = s - s^2, from the smaller of sigma'(z) and sigma'(-z)."""
    e = z.abs().neg_().exp_()
    s = e / (1.0 + e)
    return torch.addcmul(s, s, s, value=-1.0)


class SoftplusFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return softplus(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * apply(SoftplusDerivative, z)


class SoftplusDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return softplus_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * softplus_second_derivative(z)


@final
class Softplus(Activation):
    """sigma(z) = ln(1 + e^z).

    Args:
        derivative: ``"exact"``, or ``"native"`` for torch's own rule.

    Example:
        >>> Softplus()(torch.tensor([-20.0, 0.0, 20.0]))
        tensor([2.0612e-09, 6.9315e-01, 2.0000e+01])
    """

    max_derivative = 1.0
    saturates = ("left",)
    range = (0.0, math.inf)
    formulas = (softplus, softplus_derivative, softplus_second_derivative)
    functions = (SoftplusFunction, SoftplusDerivative)

    def operator(self, z: Tensor) -> Tensor:
        return torch.nn.functional.softplus(z)

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        def fill() -> None:
            torch.abs(z, out=a).neg_().exp_().log1p_()
            a.add_(torch.clamp(z, min=0.0, out=derivative))
            torch.sigmoid(z, out=derivative)

        return (fill,)
