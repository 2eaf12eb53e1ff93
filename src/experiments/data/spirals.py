"""Spirals: K intertwined arms, a classic hard problem for shallow sigmoid networks.

::

    x = s (cos phi, sin phi) + noise (e_1, e_2),   phi = 2 pi (turns s + c / K),   c = 0 .. K - 1
    s = sqrt(u),   u ~ U(0, 1),   e_i ~ N(0, 1)

The square root distributes the points evenly over the disc. Arms of neighbouring classes are 1/(K turns)
apart along a radius.

References:
    Lang & Witbrock (1988), "Learning to tell two spirals apart" (K = 2, three turns).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from experiments.core.classification import GeneratedClassification
from experiments.core.finite import finite


@dataclass(frozen=True, kw_only=True)
class Spirals(GeneratedClassification):
    """K noisy spiral arms in the unit disc; other arguments as in GeneratedClassification.

    Args:
        turns: number of turns of an arm around the origin, finite; negative numbers reverse the direction.

    Raises:
        ConfigurationError: for a setting outside its range.

    Example:
        >>> Spirals(turns=3, classes=2).load().train.x.shape
        torch.Size([1400, 2])
    """

    noise: float | int = 0.02
    turns: float | int = 1.5

    features = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        finite("turns", self.turns)

    def points(
        self, t: Int64[Tensor, " examples"], generator: torch.Generator
    ) -> Float[Tensor, "examples 2"]:
        s = torch.rand(len(t), dtype=torch.float32, generator=generator).sqrt()
        phi = 2 * math.pi * (self.turns * s + t.float() / self.classes)
        return s[:, None] * torch.stack([phi.cos(), phi.sin()], dim=1)
