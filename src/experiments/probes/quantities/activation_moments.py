"""The forward signal: mean and variance of a^[l] over examples and units."""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import LayerPass, Quantity


@final
class ActivationMoments(Quantity):
    """Mean and (population) variance of a^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("activation_mean", "activation_variance")

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        variance, mean = torch.var_mean(layer.a.flatten(1), dim=1, correction=0)
        return mean, variance
