"""Rings: concentric circles, one class each; they are separated by the radius, but not by lines.

::

    x = r_c (cos phi, sin phi) + noise (e_1, e_2),   r_c = (c + 1) / K,   c = 0 .. K - 1
    phi ~ U(0, 2 pi),   e_i ~ N(0, 1)
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from experiments.core.classification import GeneratedClassification


@dataclass(frozen=True, kw_only=True)
class Rings(GeneratedClassification):
    """K noisy circles around the origin, 1/K apart; arguments as in GeneratedClassification.

    Example:
        >>> train = Rings(noise=0.0, standardize="none").load().train
        >>> sorted(set(train.x.norm(dim=1).mul(2).round().tolist()))
        [1.0, 2.0]
    """

    features = 2

    def points(
        self, t: Int64[Tensor, " examples"], generator: torch.Generator
    ) -> Float[Tensor, "examples 2"]:
        phi = 2 * math.pi * torch.rand(len(t), dtype=torch.float32, generator=generator)
        radius = (t + 1).float() / self.classes
        return radius[:, None] * torch.stack([phi.cos(), phi.sin()], dim=1)
