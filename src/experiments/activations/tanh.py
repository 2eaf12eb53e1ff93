r"""Hyperbolic tangent.

::

    sigma(z)   = tanh z
    sigma'(z)  = 4 (s - s^2),   s = e / (1 + e) = (1 - |tanh z|) / 2,   e = e^-2|z|
    sigma''(z) = -2 sigma'(z) tanh z

Kink:   none.
Form:   sigma' = (1 - |a|)(1 + |a|) with 1 - |a| = 2 s. s is computed from z and not from the rounded
        a, so sigma' keeps its digits in both tails.
Torch:  1 - a^2 from the rounded a. In float32 this is 0 from |z| = 9.1 on; the true value is 5e-8.
Range:  (-1, 1).   Derivative: (0, 1].   Saturates: both ends.

References:
    LeCun, Bottou, Orr & Müller (1998), section 4.4.
"""

import math
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from experiments.core import operations
from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, apply, in_single_precision
from experiments.core.operations import Operations, has_fast_cosh
from experiments.core.scalar import exp_and_expm1

#: tensors, because torch would convert Python numbers again at every call
MINUS_TWO, FOUR = torch.tensor([-2.0, 4.0], device="cpu").unbind()


@in_single_precision
def tanh(z: Tensor) -> Tensor:
    """sigma(z) = tanh z."""
    return torch.tanh(z)


@in_single_precision
def tanh_derivative(z: Tensor) -> Tensor:
    """sigma'(z) = 4 (s - s^2) with 2 s = 1 - |tanh z|."""
    e = z.abs().mul_(-2.0).exp_()
    s = e / (1.0 + e)
    return 4.0 * torch.addcmul(s, s, s, value=-1.0)


@in_single_precision
def tanh_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z) = -2 sigma'(z) tanh z."""
    return -2.0 * tanh_derivative(z) * torch.tanh(z)


class TanhFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return tanh(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * apply(TanhDerivative, z)


class TanhDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return tanh_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * tanh_second_derivative(z)


@final
class Tanh(Activation):
    """sigma(z) = tanh z.

    Args:
        derivative: ``"exact"``, or ``"native"`` for torch's own rule.

    Example:
        >>> z = torch.tensor([0.0, 10.0])
        >>> Tanh().derivative(z)
        tensor([1.0000e+00, 8.2446e-09])
        >>> Tanh(derivative="native").derivative(z)
        tensor([1., 0.])
    """

    max_derivative = 1.0
    saturates = ("left", "right")
    range = (-1.0, 1.0)
    formulas = (tanh, tanh_derivative, tanh_second_derivative)
    functions = (TanhFunction, TanhDerivative)

    def operator(self, z: Tensor) -> Tensor:
        return torch.tanh(z)

    @staticmethod
    def of_number(z: float) -> tuple[float, float]:
        e, e_minus_1 = exp_and_expm1(-2.0 * abs(z))
        s = e / (1.0 + e)
        return math.copysign(e_minus_1 / (1.0 + e), z), 4.0 * (s - s * s)

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        if has_fast_cosh(z):  # cosh(z)^2 overflows only where sigma' is subnormal
            return (operations.tanh(z, a), operations.sech_squared(z, derivative))
        return (operations.tanh(z, a), partial(_fill_derivative, z, derivative))


def _fill_derivative(z: Tensor, derivative: Tensor) -> None:
    s = torch.abs(z, out=derivative).mul_(MINUS_TWO).sigmoid_()
    s.addcmul_(s, s, value=-1.0).mul_(FOUR)
