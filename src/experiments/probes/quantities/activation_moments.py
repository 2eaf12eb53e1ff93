"""The forward signal: mean and variance of a^[l] over examples and units."""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import LayerPass, Quantity
from experiments.probes.quantities.per_run import rms_per_run, scratch


@final
class ActivationMoments(Quantity):
    """Mean and (population) variance of a^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("activation_mean", "activation_variance")

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        a = layer.a.flatten(1)
        a = a.float() if a.element_size() < 4 else a
        mean = a.mean(1, keepdim=True)
        # centred first: where units agree, as in deep layers, a difference of squares has no digits
        rest = torch.sub(a, mean, out=scratch(a))
        return mean[:, 0].double(), rms_per_run(rest).square()
