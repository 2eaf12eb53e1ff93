r"""Leaky ReLU: a ReLU with a small slope s for negative z.

::

    sigma(z)   = z for z > 0,   s z for z <= 0
    sigma'(z)  = 1 for z > 0,   s   for z <= 0
    sigma''(z) = 0

Kink:   z = 0; sigma'(0) = s, the left derivative, as in torch. sigma'(NaN) = s, because torch tests
        z > 0.
Form:   both rules give the same numbers.
Range:  (-inf, inf) for s > 0.   Derivative: s or 1.   Saturates: nowhere; on the left if s = 0.

References:
    Maas, Hannun & Ng (2013), section 2.
"""

import math
from typing import Any, final

import torch
from torch import Tensor

from experiments.core.activation import Activation, DerivativeRule
from experiments.core.elementwise import Elementwise, apply, in_single_precision
from experiments.core.finite import finite
from experiments.core.operations import Operations


@in_single_precision
def leaky_relu(z: Tensor, slope: float) -> Tensor:
    """sigma(z) = max(z, 0) + s min(z, 0)."""
    return z.clamp(min=0.0) + slope * z.clamp(max=0.0)


@in_single_precision
def leaky_relu_derivative(z: Tensor, slope: float) -> Tensor:
    """sigma'(z); threshold() makes it 1 for z > 0 and s for z <= 0."""
    return torch.threshold((z > 0.0).to(z.dtype), 0.5, slope)


def leaky_relu_second_derivative(z: Tensor, slope: float) -> Tensor:  # noqa: ARG001
    """sigma''(z) = 0."""
    return torch.zeros_like(z)


class LeakyReLUFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor, slope: float) -> Tensor:
        return leaky_relu(z, slope)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        return grad_a * apply(LeakyReLUDerivative, z, *ctx.numbers), None


class LeakyReLUDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor, slope: float) -> Tensor:
        return leaky_relu_derivative(z, slope)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        return grad * leaky_relu_second_derivative(z, *ctx.numbers), None


@final
class LeakyReLU(Activation):
    """sigma(z) = z for z > 0, negative_slope z for z <= 0.

    Args:
        negative_slope: s, a finite number >= 0.
        derivative: accepted for uniformity; both rules give the same numbers.

    Raises:
        ConfigurationError: if the slope is negative or not finite.

    Example:
        >>> LeakyReLU(0.5)(torch.tensor([-4.0, 4.0]))
        tensor([-2.,  4.])
    """

    kinks = (0.0,)
    arguments = ("negative_slope",)
    formulas = (leaky_relu, leaky_relu_derivative, leaky_relu_second_derivative)
    functions = (LeakyReLUFunction, LeakyReLUDerivative)

    def __init__(
        self, negative_slope: float | int = 0.01, derivative: DerivativeRule = "exact"
    ) -> None:
        super().__init__(derivative)
        self.negative_slope = finite("negative_slope", negative_slope, low=0.0)
        self.max_derivative = max(1.0, self.negative_slope)
        self.saturates = () if self.negative_slope else ("left",)
        self.range = (-math.inf if self.negative_slope else 0.0, math.inf)

    def operator(self, z: Tensor) -> Tensor:
        return torch.nn.functional.leaky_relu(z, self.negative_slope)

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        def fill() -> None:
            torch.clamp(z, min=0.0, out=a)
            a.add_(torch.clamp(z, max=0.0, out=derivative), alpha=self.negative_slope)
            torch.threshold_(torch.gt(z, 0.0, out=derivative), 0.5, self.negative_slope)

        return (fill,)
