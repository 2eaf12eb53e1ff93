r"""GELU, exact: z weighted by the probability Phi(z) that a standard normal number is below z.

::

    sigma(z)   = z Phi(z)
    sigma'(z)  = Phi(z) + z phi(z)
    sigma''(z) = (2 - z^2) phi(z)

Kink:   none.
Form:   narrower types use these formulas in float64. In float64 the two terms of sigma' cancel near its
        zero, z = -0.7518, so a Taylor series is used there; far to the left Phi = phi R, with R Mills'
        ratio (``core/normal.py``).
Torch:  1 + erf(z/sqrt 2) cancels: in float32 the value is 0 from z = -5.6 on, where the true value is
        -6e-8. The value at -inf and sigma' at both infinities are NaN (0 times infinity), here too.
Range:  [-0.1700, inf).   Derivative: [-0.1289, 1.1289].   Saturates: z -> -inf.

References:
    Hendrycks & Gimpel (2016), section 2.
"""

import math
from decimal import Decimal
from typing import Any, final

import torch
from torch import Tensor

from experiments.core import normal
from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, apply
from experiments.core.operations import Operations

ZERO = Decimal("-0.7517915246935644574579049467795240396645")
# Taylor coefficients of sigma' = Phi - phi' about its zero; the first is the zero itself
PHI = normal.density_series(ZERO, Decimal("0.30073259989697529074018782030584942698"), terms=28)
SERIES = [0.0, *(float(PHI[n] / (n + 1) - (n + 2) * PHI[n + 2]) for n in range(26))]
ZERO_HIGH, ZERO_LOW = float(ZERO), float(ZERO - Decimal(float(ZERO)))


def gelu(z: Tensor) -> Tensor:
    """sigma(z)."""
    if z.dtype != torch.float64:
        return (z * normal.plain_distribution(z.double())).to(z.dtype)
    return normal.times_distribution(z)


def gelu_derivative(z: Tensor) -> Tensor:
    """sigma'(z)."""
    if z.dtype != torch.float64:
        wide = z.double()
        return (normal.plain_distribution(wide) + wide * normal.plain_density(wide)).to(z.dtype)
    d = (z - ZERO_HIGH) - ZERO_LOW
    near = normal.polynomial(SERIES, d)
    return torch.where(d.abs() < 0.7, near, normal.distribution(z, factor=z))


def gelu_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z)."""
    wide = z.double().clamp(-64.0, 64.0)  # phi(64) is 0, but not times an infinite square
    return normal.times_density(2.0 - wide * wide, wide).to(z.dtype)


class GELUFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return gelu(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * apply(GELUDerivative, z)


class GELUDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return gelu_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * gelu_second_derivative(z)


@final
class GELU(Activation):
    """sigma(z) = z Phi(z).

    Args:
        derivative: ``"exact"``, or ``"native"`` for torch's own rule.

    Example:
        >>> GELU()(torch.tensor([-10.0, 1.0]))
        tensor([-7.6199e-23,  8.4134e-01])
    """

    max_derivative = 1.1289041451851547
    saturates = ("left",)
    range = (-0.16997120747990366, math.inf)
    formulas = (gelu, gelu_derivative, gelu_second_derivative)
    functions = (GELUFunction, GELUDerivative)

    def operator(self, z: Tensor) -> Tensor:
        return torch.nn.functional.gelu(z)

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        if z.dtype == torch.float64:
            return (lambda: a.copy_(gelu(z)), lambda: derivative.copy_(gelu_derivative(z)))

        def both() -> None:  # with one Phi(z)
            wide = z.double()
            below = normal.plain_distribution(wide)
            a.copy_(wide * below)
            derivative.copy_(below + wide * normal.plain_density(wide))

        return (both,)
