r"""Identity: a linear layer, as at the output of note 004.

::

    sigma(z)   = z
    sigma'(z)  = 1
    sigma''(z) = 0

Kink:   none.
Form:   exact, so both rules give the same numbers. The value is a copy of z, so that changing it in
        place leaves z alone.
Range:  (-inf, inf).   Derivative: 1.   Saturates: nowhere.

References:
    Note 004.
"""

import math
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, apply
from experiments.core.operations import Operations


def identity(z: Tensor) -> Tensor:
    """sigma(z) = z."""
    return z.clone()


def identity_derivative(z: Tensor) -> Tensor:
    """sigma'(z) = 1."""
    return torch.ones_like(z)


def identity_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z) = 0."""
    return torch.zeros_like(z)


class IdentityFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return identity(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * apply(IdentityDerivative, z)


class IdentityDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return identity_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * identity_second_derivative(z)


@final
class Identity(Activation):
    """sigma(z) = z.

    Args:
        derivative: accepted for uniformity; both rules give the same numbers.

    Example:
        >>> Identity().derivative(torch.tensor([-3.0, 0.0]))
        tensor([1., 1.])
    """

    max_derivative = 1.0
    range = (-math.inf, math.inf)
    formulas = (identity, identity_derivative, identity_second_derivative)
    functions = (IdentityFunction, IdentityDerivative)

    def operator(self, z: Tensor) -> Tensor:
        return z.clone()

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        return (partial(a.copy_, z), partial(derivative.fill_, 1.0))
