"""UnitCube: a function on [0, 1]^d to approximate, as in the universal approximation theorem.

::

    x ~ U([0, 1]^d),   t = F(x)
    sine    F(x) = (1/d) sum_i sin(2 pi cycles x_i)
    tent    F(x) = (1/d) sum_i |1 - 2 {cycles x_i + 1/2}|      {} the fractional part
    power   F(x) = (1/d) sum_i x_i^exponent

The tent of 2^(k-1) cycles is the k-fold composition of m(x) = 1 - |1 - 2x| and has 2^k linear pieces: k
ReLU layers can represent it, while few layers need many neurons. A deep ReLU network approximates the
power 2 with an error of 4^-depth.

References:
    Cybenko (1989); Hornik (1991); Telgarsky (2016); Yarotsky (2017); notes 003.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.core.regression import RegressionDataset
from experiments.core.whole import whole


def sine(x: Float[Tensor, "examples n_in"], cycles: float | int) -> Float[Tensor, " examples"]:
    """Smooth: the mean over coordinates of sin(2 pi cycles x_i).

    >>> sine(torch.tensor([[0.25, 0.75]]), cycles=1).abs() < 1e-6
    tensor([True])
    """
    return torch.sin(2 * math.pi * cycles * x).mean(dim=1)


def tent(x: Float[Tensor, "examples n_in"], cycles: float | int) -> Float[Tensor, " examples"]:
    """Piecewise linear: the mean over coordinates of ``cycles`` triangles of height 1.

    >>> tent(torch.tensor([[0.0], [0.25], [0.5], [1.0]]), cycles=1)
    tensor([0.0000, 0.5000, 1.0000, 0.0000])
    """
    return (1 - 2 * torch.frac(cycles * x + 0.5)).abs().mean(dim=1)


def power(x: Float[Tensor, "examples n_in"], exponent: float | int) -> Float[Tensor, " examples"]:
    """The mean over coordinates of x_i^exponent.

    >>> power(torch.tensor([[0.5, 1.0]]), exponent=2)
    tensor([0.6250])
    """
    return x.pow(exponent).mean(dim=1)


_ONE_SINE = partial(sine, cycles=1.0)


@dataclass(frozen=True, kw_only=True)
class UnitCube(RegressionDataset):
    """Regression on a function of the unit cube; other arguments as in RegressionDataset.

    Args:
        dimension: d, the number n_1 of coordinates, >= 1.
        target: F, from (examples, d) to (examples,); one of this module or any other function.

    Raises:
        ConfigurationError: for a setting outside its range, or a target with several values per point.

    Example:
        >>> train = UnitCube(target=partial(power, exponent=1), train_examples=50).load().train
        >>> torch.equal(train.x, train.t)
        True
    """

    dimension: int = 1
    target: Callable[[Tensor], Tensor] = _ONE_SINE

    outputs = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("dimension", self.dimension, 1)
        if not callable(self.target):
            expected = "a function of points, (examples, d) -> (examples,)"
            remedy = "on the command line data.target._target_=experiments.data.tent, say"
            raise ConfigurationError(describe(f"target={self.target!r}", expected, remedy))

    @property
    def features(self) -> int:
        return self.dimension

    def inputs(self, examples: int, generator: torch.Generator) -> Float[Tensor, "{examples} n_in"]:
        shape = (examples, self.dimension)
        return torch.rand(shape, dtype=torch.float32, generator=generator)

    def values(self, x: Float[Tensor, "examples n_in"]) -> Float[Tensor, "examples 1"]:
        t = self.target(x)
        if t.numel() != len(x):
            found, expected = (
                f"target values of shape {tuple(t.shape)}",
                f"one for each of {len(x)} points",
            )
            raise ConfigurationError(describe(found, expected, "reduce over axis 1 in target"))
        return t.reshape(len(x), 1).float()
