r"""Sigmoid, the logistic function.

::

    sigma(z)   = 1 / (1 + e^-z)
    sigma'(z)  = s - s^2,   s = e / (1 + e) = sigma(-|z|) <= 1/2,   e = e^-|z|
    sigma''(z) = -sigma'(z) tanh(z/2)

Kink:   none.
Form:   sigma' is an even function, so it is computed from the smaller of sigma(z) and sigma(-z). That
        one is never rounded to 1, so sigma' keeps its digits in both tails.
Torch:  computes a (1 - a) from the rounded a. In float32 this is off by 5,700 units in the last place
        at z = 10 and exactly 0 from z = 17 on, where the true value is 4e-8; in bfloat16 it is 0 from
        z = 6.2 on.
Range:  (0, 1).   Derivative: (0, 1/4].   Saturates: both ends.

References:
    Higham & Higham (2019), eq. 2.1; note 001.
"""

from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from experiments.core import operations
from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, apply, in_single_precision
from experiments.core.operations import Operations
from experiments.core.scalar import exp_and_expm1


@in_single_precision
def sigmoid(z: Tensor) -> Tensor:
    """sigma(z); e^z replaces it where 1 + e^-z overflows."""
    return torch.maximum(torch.sigmoid(z), z.clamp(max=-40.0).exp_())


@in_single_precision
def sigmoid_derivative(z: Tensor) -> Tensor:
    """sigma'(z) = s - s^2 with s = sigma(-|z|)."""
    e = z.abs().neg_().exp_()
    s = e / (1.0 + e)
    return torch.addcmul(s, s, s, value=-1.0)


@in_single_precision
def sigmoid_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z) = -sigma'(z) tanh(z/2)."""
    return -sigmoid_derivative(z) * torch.tanh(0.5 * z)


class SigmoidFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return sigmoid(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * apply(SigmoidDerivative, z)


class SigmoidDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return sigmoid_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * sigmoid_second_derivative(z)


@final
class Sigmoid(Activation):
    """sigma(z) = 1 / (1 + e^-z).

    Args:
        derivative: ``"exact"``, or ``"native"`` for torch's own rule.

    Example:
        >>> z = torch.tensor([0.0, 20.0])
        >>> Sigmoid().derivative(z)
        tensor([2.5000e-01, 2.0612e-09])
        >>> Sigmoid(derivative="native").derivative(z)
        tensor([0.2500, 0.0000])
    """

    max_derivative = 0.25
    saturates = ("left", "right")
    range = (0.0, 1.0)
    formulas = (sigmoid, sigmoid_derivative, sigmoid_second_derivative)
    functions = (SigmoidFunction, SigmoidDerivative)

    def operator(self, z: Tensor) -> Tensor:
        return torch.sigmoid(z)

    @staticmethod
    def of_number(z: float) -> tuple[float, float]:
        e, _ = exp_and_expm1(-abs(z))
        s = e / (1.0 + e)
        return (1.0 / (1.0 + e) if z > 0.0 else s), s - s * s

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        # sigma' = sigma(z) sigma(-z) takes one pass fewer than s - s^2, because a is needed anyway
        return (
            partial(torch.sigmoid, z, out=a),
            partial(torch.neg, z, out=derivative),
            derivative.sigmoid_,
            operations.multiply(derivative, a, derivative),
        )
