r"""SiLU, also called swish: z weighted by its own sigmoid s(z) = 1 / (1 + e^-z).

::

    sigma(z)   = z s(z)
    sigma'(z)  = s(z) (1 + z s(-z)) = r^2 (1 + z + e^z),   r = 1 / (2 cosh(z/2))
    sigma''(z) = r^2 (2 - z tanh(z/2))

Kink:   none.
Form:   1 + z + e^z has one zero, z0 = -1.278. With d = z - z0 it equals d + e^z0 (e^d - 1), two terms
        of the same sign, so nothing cancels. Narrower types use the first form, in float64.
Torch:  in float32 the value and sigma' are 0 from z = -88.8 on, where the true value is -2e-37. The
        value at -inf and sigma' at both infinities are NaN (0 times infinity), here too.
Range:  [-0.2785, inf).   Derivative: [-0.0998, 1.0998].   Saturates: z -> -inf.

References:
    Elfwing, Uchibe & Doya (2018), eq. 5 and 6.
"""

import math
from typing import Any, final

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, apply
from experiments.core.operations import Operations

# z0 in two parts, and e^z0 = -1 - z0
ZERO, ZERO_REST, EXP_ZERO = -1.2784645427610737, -1.0946994183093437e-16, 0.2784645427610738


def silu(z: Tensor) -> Tensor:
    """sigma(z); far to the left as (z e^(z/2)) e^(z/2), because e^z would be subnormal."""
    if z.dtype != torch.float64:
        return (z * torch.sigmoid(z.double())).to(z.dtype)
    root = torch.exp(0.5 * z)
    return torch.where(z < -40.0, (z * root) * root, z * torch.sigmoid(z))


def silu_derivative(z: Tensor) -> Tensor:
    """sigma'(z): the second form left of -0.7, the first right of it, where each is free of cancellation."""
    if z.dtype != torch.float64:
        wide = z.double()
        s = torch.sigmoid(wide)
        return (s * (1.0 + wide * (1.0 - s))).to(z.dtype)
    d = (z - ZERO) - ZERO_REST
    bracket = d + EXP_ZERO * torch.expm1(d)
    e, root = torch.exp(-z.abs()), torch.exp(0.5 * z)
    s = e / (1.0 + e)
    left = torch.where(z < -40.0, (bracket * root) * root, (s - s * s) * bracket)
    return torch.where(z < -0.7, left, torch.sigmoid(z) * (1.0 + z * torch.sigmoid(-z)))


def silu_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z)."""
    if z.dtype != torch.float64:
        return silu_second_derivative(z.double()).to(z.dtype)
    r = 0.5 / torch.cosh(0.5 * z)
    return r * (2.0 - z * torch.tanh(0.5 * z)) * r


class SiLUFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return silu(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * apply(SiLUDerivative, z)


class SiLUDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return silu_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * silu_second_derivative(z)


@final
class SiLU(Activation):
    """sigma(z) = z / (1 + e^-z).

    Args:
        derivative: ``"exact"``, or ``"native"`` for torch's own rule.

    Example:
        >>> SiLU()(torch.tensor([-20.0, 1.0]))
        tensor([-4.1223e-08,  7.3106e-01])
    """

    max_derivative = 1.099839320128867
    saturates = ("left",)
    range = (-EXP_ZERO, math.inf)
    formulas = (silu, silu_derivative, silu_second_derivative)
    functions = (SiLUFunction, SiLUDerivative)

    def operator(self, z: Tensor) -> Tensor:
        return torch.nn.functional.silu(z)

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        def fill() -> None:
            wide = z.double()
            s = torch.sigmoid(wide)
            a.copy_(wide * s)
            derivative.copy_(wide.mul_(1.0 - s).add_(1.0).mul_(s))

        if z.dtype != torch.float64:
            return (fill,)
        return (lambda: a.copy_(silu(z)), lambda: derivative.copy_(silu_derivative(z)))
