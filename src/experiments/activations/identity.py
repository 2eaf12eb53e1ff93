r"""Identity: a layer without an activation, as the output layer of note 004.

::

    sigma(z)   = z
    sigma'(z)  = 1
    sigma''(z) = 0

Kink:   none.
Form:   exact, so ``derivative="native"`` is the same rule. The value is a copy: changing it in
        place cannot change z.
Range:  (-inf, inf).   Derivative: 1.   Saturates: nowhere.

References:
    Note 004.
"""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, differentiable


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
    """sigma as autograd sees it."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return identity(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * differentiable(IdentityDerivative, z)


class IdentityDerivative(Elementwise):
    """sigma' as autograd sees it, for the double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return identity_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * identity_second_derivative(z)


@final
class Identity(Activation):
    """The identity.

    Example:
        >>> Identity().derivative(torch.tensor([-3.0, 0.0]))
        tensor([1., 1.])
    """

    max_derivative = 1.0
    range = (float("-inf"), float("inf"))

    def forward(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return differentiable(IdentityFunction, z)

    def value(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return identity(z)

    def derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return differentiable(IdentityDerivative, z)

    def second_derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return identity_second_derivative(z)

    def evaluate(
        self, z: Float[Tensor, "*n"], a: Float[Tensor, "*n"], derivative: Float[Tensor, "*n"]
    ) -> None:
        a.copy_(z)
        derivative.fill_(1.0)
