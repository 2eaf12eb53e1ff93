"""Overflow as a counted outcome: NaN and infinite entries of z, a, delta and dC/dW."""

import math
from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import LayerPass, Quantity


@final
class Nonfinite(Quantity):
    """Number of non-finite entries in z^[l], a^[l], delta^[l] and dC/dW^[l] together."""

    columns: ClassVar[tuple[str, ...]] = ("nonfinite",)

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        parts = [part.flatten(1) for part in (layer.z, layer.a, layer.delta, layer.weight_gradient)]
        # on a CPU a sum is quick and its value at hand: where it is finite, so is every entry
        if layer.z.is_cpu and math.isfinite(torch.stack([part.sum() for part in parts]).sum()):
            return (torch.zeros(len(parts[0]), dtype=torch.float64),)
        return (torch.stack([(~part.isfinite()).sum(1) for part in parts]).sum(0).double(),)
