"""Contract of an initializer: how weights and biases are drawn, and their variances."""

import math
from abc import ABC, abstractmethod
from typing import Literal, final

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe

Distribution = Literal["normal", "uniform"]


class Initializer(ABC):
    """How W^[l] and b^[l] are drawn.

    Numbers are drawn in float64 on the CPU and rounded by the caller, so that a network starts from the
    same numbers in every precision and on every device.
    """

    @abstractmethod
    def weight(
        self, n: int, n_prev: int, generator: torch.Generator
    ) -> Float64[Tensor, "{n} {n_prev}"]:
        """Draw W^[l], shape (n_l, n_{l-1})."""

    @abstractmethod
    def bias(self, n: int, n_prev: int, generator: torch.Generator) -> Float64[Tensor, " {n}"]:
        """Draw b^[l], shape (n_l,)."""

    @abstractmethod
    def weight_variance(self, n: int, n_prev: int) -> float:
        """The variance of one entry of W^[l] (its mean square, for a constant)."""

    @abstractmethod
    def bias_variance(self, n: int, n_prev: int) -> float:
        """The variance of one entry of b^[l] (its mean square, for a constant)."""


class ScaledInitializer(Initializer):
    """Independent entries with mean 0; a subclass defines only their variance.

    ::

        normal:   W_jk ~ N(0, v)                      v = weight_variance(n_l, n_{l-1})
        uniform:  W_jk ~ U(-sqrt(3 v), sqrt(3 v))     the same variance v
        biases:   b_j  ~ N(0, sigma_b^2)

    The biases are drawn even if sigma_b = 0. So two scales with the same seed differ by a factor and not by
    their random numbers, and comparisons across scales are paired.
    """

    #: standard deviation of a bias; 0 sets the biases to zero
    sigma_b: float | int
    #: the distribution of the weights
    distribution: Distribution

    @final
    def weight(
        self, n: int, n_prev: int, generator: torch.Generator
    ) -> Float64[Tensor, "{n} {n_prev}"]:
        variance = self.weight_variance(n, n_prev)
        if self.distribution == "normal":
            return math.sqrt(variance) * standard_normal(n, n_prev, generator=generator)
        return math.sqrt(3 * variance) * centred_uniform(n, n_prev, generator=generator)

    @final
    def bias(self, n: int, n_prev: int, generator: torch.Generator) -> Float64[Tensor, " {n}"]:
        return normal_bias(n, self.sigma_b, generator)

    @final
    def bias_variance(self, n: int, n_prev: int) -> float:
        return float(self.sigma_b) ** 2


def normal_bias(
    n: int, sigma_b: float | int, generator: torch.Generator
) -> Float64[Tensor, " {n}"]:
    """b_j ~ N(0, sigma_b^2), independent.

    >>> normal_bias(2, 0.0, torch.Generator().manual_seed(0)).abs()
    tensor([0., 0.], dtype=torch.float64)
    """
    return sigma_b * standard_normal(n, generator=generator)


def require_distribution(value: str) -> None:
    """Refuse a distribution of the weights that is neither normal nor uniform.

    Raises:
        ConfigurationError: for any other value.
    """
    if value not in ("normal", "uniform"):
        raise ConfigurationError(
            describe(f"distribution={value!r}", "'normal' or 'uniform'", "choose one of the two")
        )


def centred_uniform(*shape: int, generator: torch.Generator) -> Tensor:
    """Independent draws from U(-1, 1), float64, on the generator's device.

    >>> centred_uniform(2, generator=torch.Generator().manual_seed(0)).abs() < 1
    tensor([True, True])
    """
    unit = torch.rand(shape, dtype=torch.float64, generator=generator, device=generator.device)
    return 2 * unit - 1


def standard_normal(*shape: int, generator: torch.Generator) -> Tensor:
    """Independent draws from N(0, 1), float64, on the generator's device.

    >>> standard_normal(2, 3, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3])
    """
    return torch.randn(shape, dtype=torch.float64, generator=generator, device=generator.device)
