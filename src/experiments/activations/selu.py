r"""SELU, the scaled exponential linear unit: an ELU that keeps mean 0 and variance 1 across layers.

::

    sigma(z)   = lambda z for z > 0,   lambda alpha (e^z - 1) for z <= 0
    sigma'(z)  = lambda   for z > 0,   lambda alpha e^z       for z <= 0
    sigma''(z) = 0        for z > 0,   lambda alpha e^z       for z <= 0

Kink:   z = 0; sigma'(0) = lambda alpha, the left derivative, as in torch. sigma'(NaN) = lambda,
        because torch tests z <= 0.
Form:   sigma' is computed from z, as in ELU and in torch, so both rules give the same numbers.
Range:  (-lambda alpha, inf).   Derivative: (0, lambda alpha].   Saturates: z -> -inf.

References:
    Klambauer, Unterthiner, Mayr & Hochreiter (2017), eq. 2 and 14.
"""

import math
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, apply, in_single_precision
from experiments.core.operations import Operations, exp, expm1
from experiments.core.scalar import exp_and_expm1

ALPHA = 1.6732632423543772
LAMBDA = 1.0507009873554805


@in_single_precision
def selu(z: Tensor) -> Tensor:
    """sigma(z) = lambda max(z, 0) + lambda alpha (e^min(z, 0) - 1)."""
    return LAMBDA * z.clamp(min=0.0) + (LAMBDA * ALPHA) * z.clamp(max=0.0).expm1_()


@in_single_precision
def selu_derivative(z: Tensor) -> Tensor:
    """sigma'(z)."""
    return torch.where(z <= 0.0, (LAMBDA * ALPHA) * z.clamp(max=0.0).exp_(), LAMBDA)


@in_single_precision
def selu_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z)."""
    left = (z <= 0.0).to(z.dtype)
    return left * (LAMBDA * ALPHA * z.clamp(max=0.0).exp_().nan_to_num())


class SELUFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return selu(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * apply(SELUDerivative, z)


class SELUDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return selu_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * selu_second_derivative(z)


@final
class SELU(Activation):
    """sigma(z) = lambda z for z > 0, lambda alpha (e^z - 1) for z <= 0.

    Args:
        derivative: accepted for uniformity; both rules give the same numbers.

    Example:
        >>> SELU()(torch.tensor([-100.0, 1.0]))
        tensor([-1.7581,  1.0507])
    """

    max_derivative = LAMBDA * ALPHA
    kinks = (0.0,)
    saturates = ("left",)
    range = (-LAMBDA * ALPHA, math.inf)
    formulas = (selu, selu_derivative, selu_second_derivative)
    functions = (SELUFunction, SELUDerivative)

    def operator(self, z: Tensor) -> Tensor:
        return torch.selu(z)

    @staticmethod
    def of_number(z: float) -> tuple[float, float]:
        e, e_minus_1 = exp_and_expm1(0.0 if z > 0.0 else z)
        a = math.copysign(LAMBDA * ALPHA * e_minus_1, z) if z <= 0.0 else LAMBDA * z
        return a, (LAMBDA * ALPHA * e if z <= 0.0 else LAMBDA)

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        negative = partial(torch.clamp_max, z, 0.0, out=derivative)

        def combine() -> None:
            positive = torch.clamp_min(z, 0.0)
            a.mul_(LAMBDA * ALPHA).add_(positive, alpha=LAMBDA)
            slope = torch.threshold_(
                torch.gt(z, 0.0, out=positive).mul_(LAMBDA), 0.5, LAMBDA * ALPHA
            )
            derivative.mul_(slope).nan_to_num_(nan=LAMBDA)

        return (negative, expm1(derivative, a), exp(derivative, derivative), combine)
