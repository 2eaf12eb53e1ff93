"""How much of the signal an activation lets through.

    derivative_mean = mean of sigma'(z),    derivative_rms = sqrt(mean of sigma'(z)^2)

over examples and units. The squared RMS times sigma_w^2 is the mean field's chi.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import LayerPass, Quantity


@final
class DerivativeSize(Quantity):
    """Mean and RMS of sigma'(z^[l])."""

    columns: ClassVar[tuple[str, ...]] = ("derivative_mean", "derivative_rms")

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        variance, mean = torch.var_mean(layer.derivative.flatten(1), dim=1, correction=0)
        return mean, (variance + mean.square()).sqrt()
