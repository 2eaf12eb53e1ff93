"""Constant: every weight w, every bias b.

::

    W_jk = w,   b_j = b

For chains with one neuron per layer, to choose a starting point (Nielsen's neuron, the scalar chain of note
003). In a wider hidden layer all neurons would stay equal forever, because nothing breaks the symmetry.

References:
    Note 003, "vanishing gradient"; Nielsen (2015), chapter 3.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.finite import finite
from experiments.core.initializer import Initializer


@dataclass(frozen=True)
class Constant(Initializer):
    """The same number for every weight, and another for every bias.

    Its variances are the mean squares w^2 and b^2, the quantities that enter E z^2.

    Args:
        w: value of every weight, finite; any sign.
        b: value of every bias, finite; any sign.

    Raises:
        ConfigurationError: for a value that is not finite.

    Example:
        >>> Constant(w=0.6, b=0.9).weight(1, 2, torch.Generator())
        tensor([[0.6000, 0.6000]], dtype=torch.float64)
    """

    w: float | int = 1.0
    b: float | int = 0.0

    def __post_init__(self) -> None:
        finite("w", self.w)
        finite("b", self.b)

    def weight(
        self, n: int, n_prev: int, generator: torch.Generator
    ) -> Float64[Tensor, "{n} {n_prev}"]:
        return torch.full((n, n_prev), float(self.w), dtype=torch.float64, device=generator.device)

    def bias(self, n: int, n_prev: int, generator: torch.Generator) -> Float64[Tensor, " {n}"]:
        return torch.full((n,), float(self.b), dtype=torch.float64, device=generator.device)

    def weight_variance(self, n: int, n_prev: int) -> float:
        return float(self.w) ** 2

    def bias_variance(self, n: int, n_prev: int) -> float:
        return float(self.b) ** 2
