"""Torch's pointwise functions: the derivative of each, and the bound on it.

Where this package has the activation, its derivative is used, which keeps its digits in the tails.
Otherwise torch differentiates its own function in float64, and the bound is the largest slope found
between -30 and 30.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from experiments.activations import (
    ELU,
    GELU,
    SELU,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from experiments.core.activation import Activation

#: this package's activation for the settings of torch's function of this name; None if it has none
_OURS: Mapping[str, Callable[..., Activation | None]] = {
    "elu": lambda alpha=1.0: ELU(alpha) if alpha >= 0 else None,
    "gelu": lambda approximate="none": GELU() if approximate == "none" else None,
    "leaky_relu": lambda negative_slope=0.01: (
        LeakyReLU(negative_slope) if negative_slope >= 0 else None
    ),
    "relu": ReLU,
    "selu": SELU,
    "sigmoid": Sigmoid,
    "silu": SiLU,
    "special_expit": Sigmoid,
    "softplus": lambda beta=1.0, threshold=20.0: (
        Softplus() if (beta, threshold) == (1, 20) else None
    ),
    "tanh": Tanh,
}
_OTHERS = (
    *("celu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "log_sigmoid", "mish", "relu6"),
    *("softshrink", "softsign", "tanhshrink", "threshold"),
)
#: the names of all known functions
POINTWISE = frozenset(_OURS) | frozenset(_OTHERS)

_GRID = torch.arange(-30_000, 30_001, dtype=torch.float64) / 1000


@dataclass(frozen=True, eq=False)
class Pointwise:
    """A pointwise function as the ledger needs it.

    Attributes:
        name: that of the activation's option file, or of torch's function.
        derivative: sigma'(z), in the shape of z.
        max_derivative: bound on |sigma'|.
    """

    name: str
    derivative: Callable[[Tensor], Tensor]
    max_derivative: float


def name_of(function: Callable[..., Any]) -> str:
    """The name of one of torch's functions, without underscores: relu_ is relu in place.

    >>> name_of(torch.relu_), name_of(torch.Tensor.relu)
    ('relu', 'relu')
    """
    return function.__name__.strip("_")


def pointwise(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Pointwise:
    """The function that a call computes; the same object for the same function and settings.

    Args:
        function: torch's; its name is one of ``POINTWISE``.
        args: its positional arguments without the tensor.
        kwargs: its keyword arguments.

    Example:
        >>> tanh = pointwise(torch.tanh, (), {})
        >>> tanh.name, tanh.max_derivative
        ('tanh', 1.0)
        >>> soft = pointwise(torch.nn.functional.softsign, (), {})
        >>> soft.derivative(torch.tensor([1.0])), soft.max_derivative
        (tensor([0.2500]), 1.0)
    """
    return _pointwise(function, *args, **kwargs)


@cache
def _pointwise(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Pointwise:
    name = name_of(function)
    settings = {key: value for key, value in kwargs.items() if key != "inplace"}
    ours = _OURS[name](*args, **settings) if name in _OURS else None
    if ours is not None:
        return _of(ours)

    def derivative(z: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = z.detach().double().requires_grad_()
            value = function(leaf.clone(), *args, **kwargs)  # which may be computed in place
            (slope,) = torch.autograd.grad(value.sum(), leaf)
        return slope.to(z.dtype)

    return Pointwise(name, derivative, float(derivative(_GRID).abs().max()))


def in_turn(sigmas: Sequence[Pointwise], rows: Sequence[int]) -> Pointwise:
    """One Pointwise that applies each function to its own rows of (..., rows, units).

    >>> tanh = pointwise(torch.tanh, (), {})
    >>> both = in_turn([tanh, IDENTITY], [1, 2])
    >>> both.name, both.derivative(torch.full((3, 1), 100.0)).tolist()
    ('tanh, identity', [[0.0], [1.0], [1.0]])
    """
    first, *others = dict.fromkeys(sigmas)
    if not others:
        return first

    def derivative(z: Tensor) -> Tensor:
        parts = zip(sigmas, z.split(list(rows), -2), strict=True)
        return torch.cat([sigma.derivative(part) for sigma, part in parts], -2)

    names = dict.fromkeys(sigma.name for sigma in sigmas)
    return Pointwise(", ".join(names), derivative, max(s.max_derivative for s in sigmas))


def _of(sigma: Activation) -> Pointwise:
    option = type(sigma).__module__.rsplit(".", 1)[-1]
    return Pointwise(option, sigma.derivative, sigma.max_derivative)


#: of a layer after which no pointwise function is called
IDENTITY = _of(Identity())
