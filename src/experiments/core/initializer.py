"""Contract of an initializer: a draw, and the variance it promises."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float64
from torch import Tensor


class Initializer(ABC):
    """How W^[l] and b^[l] are drawn.

    Numbers are drawn in float64 on the CPU and rounded by the caller, so a network starts from the
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
        """The promised variance of one entry of W^[l] (its mean square, for a constant)."""

    @abstractmethod
    def bias_variance(self, n: int, n_prev: int) -> float:
        """The promised variance of one entry of b^[l]."""
