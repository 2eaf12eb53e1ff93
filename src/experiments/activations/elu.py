r"""ELU, the exponential linear unit.

::

    sigma(z)   = z for z > 0,   alpha (e^z - 1) for z <= 0
    sigma'(z)  = 1 for z > 0,   alpha e^z       for z <= 0
    sigma''(z) = 0 for z > 0,   alpha e^z       for z <= 0

Kink:   z = 0; sigma'(0) = alpha, the left derivative, as in torch; for alpha = 1 only sigma'' jumps.
        sigma'(NaN) = 1, because torch tests z <= 0.
Form:   sigma' is computed from z, as in torch, because alpha + a loses its digits near a = -alpha.
Range:  (-alpha, inf).   Derivative: (0, max(1, alpha)].   Saturates: z -> -inf.

References:
    Clevert, Unterthiner & Hochreiter (2016), eq. 15.
"""

import math
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from experiments.core.activation import Activation, DerivativeRule
from experiments.core.elementwise import Elementwise, apply, in_single_precision
from experiments.core.finite import finite
from experiments.core.operations import Operations, exp, expm1
from experiments.core.scalar import exp_and_expm1


@in_single_precision
def elu(z: Tensor, alpha: float) -> Tensor:
    """sigma(z) = max(z, 0) + alpha (e^min(z, 0) - 1)."""
    return z.clamp(min=0.0) + alpha * z.clamp(max=0.0).expm1_()


@in_single_precision
def elu_derivative(z: Tensor, alpha: float) -> Tensor:
    """sigma'(z); for alpha > 1 the last values before underflow lose log2(alpha) bits."""
    return torch.where(z <= 0.0, alpha * z.clamp(max=0.0).exp_(), 1.0)


@in_single_precision
def elu_second_derivative(z: Tensor, alpha: float) -> Tensor:
    """sigma''(z)."""
    return (z <= 0.0).to(z.dtype) * (alpha * z.clamp(max=0.0).exp_().nan_to_num())


class ELUFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor, alpha: float) -> Tensor:
        return elu(z, alpha)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        return grad_a * apply(ELUDerivative, z, *ctx.numbers), None


class ELUDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor, alpha: float) -> Tensor:
        return elu_derivative(z, alpha)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        return grad * elu_second_derivative(z, *ctx.numbers), None


@final
class ELU(Activation):
    """sigma(z) = z for z > 0, alpha (e^z - 1) for z <= 0.

    Args:
        alpha: minus the limit for z -> -inf, and the slope at 0; a finite number >= 0.
        derivative: accepted for uniformity; both rules give the same numbers.

    Raises:
        ConfigurationError: if alpha is negative or not finite.

    Example:
        >>> ELU(alpha=2.0).derivative(torch.tensor([-20.0, 0.0, 1.0]))
        tensor([4.1223e-09, 2.0000e+00, 1.0000e+00])
    """

    kinks = (0.0,)
    saturates = ("left",)
    arguments = ("alpha",)
    formulas = (elu, elu_derivative, elu_second_derivative)
    functions = (ELUFunction, ELUDerivative)

    def __init__(self, alpha: float | int = 1.0, derivative: DerivativeRule = "exact") -> None:
        super().__init__(derivative)
        self.alpha = finite("alpha", alpha, low=0.0)
        self.max_derivative, self.range = max(1.0, self.alpha), (-self.alpha, math.inf)

    def operator(self, z: Tensor) -> Tensor:
        return torch.nn.functional.elu(z, self.alpha)

    @staticmethod
    def of_number(z: float, alpha: float) -> tuple[float, float]:
        e, e_minus_1 = exp_and_expm1(0.0 if z > 0.0 else z)
        a = math.copysign(alpha * e_minus_1, z) if z <= 0.0 else z
        return a, (alpha * e if z <= 0.0 else 1.0)

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        def combine() -> None:
            torch.add(torch.clamp_min(z, 0.0), a, alpha=self.alpha, out=a)
            if self.alpha != 1.0:
                derivative.mul_(torch.threshold_((z > 0.0).to(z.dtype), 0.5, self.alpha))
            derivative.nan_to_num_(nan=1.0)

        negative = partial(torch.clamp_max, z, 0.0, out=derivative)
        return (negative, expm1(derivative, a), exp(derivative, derivative), combine)
