r"""ELU, the exponential linear unit.

::

    sigma(z)   = z for z > 0,   alpha (e^z - 1) for z <= 0
    sigma'(z)  = 1 for z > 0,   alpha e^z       for z <= 0
    sigma''(z) = 0 for z > 0,   alpha e^z       for z <= 0

Kink:   z = 0; sigma'(0) = alpha, the left derivative, as torch has it (only sigma'' jumps if
        alpha = 1). At NaN sigma' is 1, as in torch, which asks whether z <= 0.
Form:   from z, not alpha + a, which has no digits left where a is near -alpha. Torch does the
        same, so ``derivative="native"`` is the same rule.
Range:  (-alpha, inf).   Derivative: (0, max(1, alpha)].   Saturates: z -> -inf.

References:
    Clevert, Unterthiner & Hochreiter (2016), eq. 15.
"""

import math
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.activation import Activation, DerivativeRule
from experiments.core.elementwise import Elementwise, differentiable, in_single
from experiments.core.errors import ConfigurationError, describe


@in_single
def elu(z: Tensor, alpha: float) -> Tensor:
    """sigma(z); one of the two parts is always 0."""
    return z.clamp(min=0.0) + alpha * z.clamp(max=0.0).expm1_()


@in_single
def elu_derivative(z: Tensor, alpha: float) -> Tensor:
    """sigma'(z)."""
    return torch.where(z <= 0.0, alpha * z.exp(), 1.0)


@in_single
def elu_second_derivative(z: Tensor, alpha: float) -> Tensor:
    """sigma''(z)."""
    return torch.where(z <= 0.0, alpha * z.exp(), 0.0)


class ELUFunction(Elementwise):
    """sigma as autograd sees it."""

    @staticmethod
    def forward(z: Tensor, alpha: float) -> Tensor:
        return elu(z, alpha)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        return grad_a * differentiable(ELUDerivative, z, *ctx.arguments), None


class ELUDerivative(Elementwise):
    """sigma' as autograd sees it, for the double backward."""

    @staticmethod
    def forward(z: Tensor, alpha: float) -> Tensor:
        return elu_derivative(z, alpha)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        return grad * elu_second_derivative(z, *ctx.arguments), None


@final
class ELU(Activation):
    """The exponential linear unit.

    Args:
        alpha: minus the limit on the left; a finite number from 0.
        derivative: both rules coincide.

    Raises:
        ConfigurationError: if alpha is negative or not finite.
    """

    kinks = (0.0,)
    saturates = ("left",)

    def __init__(self, alpha: float = 1.0, derivative: DerivativeRule = "exact") -> None:
        super().__init__(derivative)
        if not (math.isfinite(alpha) and alpha >= 0):
            raise ConfigurationError(
                describe(
                    f"alpha={alpha!r}", "a finite number from 0", "give for instance alpha=1.0"
                )
            )
        self.alpha = float(alpha)
        self.max_derivative = max(1.0, self.alpha)
        self.range = (-self.alpha, math.inf)

    def forward(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return differentiable(ELUFunction, z, self.alpha)

    def value(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return elu(z, self.alpha)

    def derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return differentiable(ELUDerivative, z, self.alpha)

    def second_derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return elu_second_derivative(z, self.alpha)

    def evaluate(
        self, z: Float[Tensor, "*n"], a: Float[Tensor, "*n"], derivative: Float[Tensor, "*n"]
    ) -> None:
        a.copy_(elu(z, self.alpha))
        derivative.copy_(elu_derivative(z, self.alpha))
