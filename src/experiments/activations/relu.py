r"""ReLU, the rectified linear unit.

::

    sigma(z)   = max(z, 0)
    sigma'(z)  = 1 for z > 0,   0 for z <= 0
    sigma''(z) = 0

Kink:   z = 0; sigma'(0) = 0, the left derivative, as in torch. sigma'(NaN) = 1, because torch tests
        z <= 0.
Form:   exact in every float type, so both rules give the same numbers.
Range:  [0, inf).   Derivative: 0 or 1.   Saturates: z -> -inf.

References:
    Glorot, Bordes & Bengio (2011).
"""

import math
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.elementwise import Elementwise, apply
from experiments.core.operations import Operations

#: a tensor, because torch would convert a Python number again at every call
ZERO = torch.tensor(0.0, device="cpu")


def relu(z: Tensor) -> Tensor:
    """sigma(z) = max(z, 0)."""
    return z.clamp(min=0.0)


def relu_derivative(z: Tensor) -> Tensor:
    """sigma'(z)."""
    return 1.0 - (z <= 0.0).to(z.dtype)


def relu_second_derivative(z: Tensor) -> Tensor:
    """sigma''(z) = 0."""
    return torch.zeros_like(z)


class ReLUFunction(Elementwise):
    """sigma for autograd: the gradient is grad_a sigma'(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return relu(z)

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad_a * apply(ReLUDerivative, z)


class ReLUDerivative(Elementwise):
    """sigma' for autograd: the gradient is grad sigma''(z), for double backward."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return relu_derivative(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * relu_second_derivative(z)


@final
class ReLU(Activation):
    """sigma(z) = max(z, 0).

    Args:
        derivative: accepted for uniformity; both rules give the same numbers.

    Example:
        >>> ReLU().derivative(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 1.])
    """

    max_derivative = 1.0
    kinks = (0.0,)
    saturates = ("left",)
    range = (0.0, math.inf)
    formulas = (relu, relu_derivative, relu_second_derivative)
    functions = (ReLUFunction, ReLUDerivative)

    def operator(self, z: Tensor) -> Tensor:
        return torch.relu(z)

    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        return (
            partial(torch.clamp_min, z, 0.0, out=a),
            partial(torch.ne, a, ZERO, out=derivative),
        )
