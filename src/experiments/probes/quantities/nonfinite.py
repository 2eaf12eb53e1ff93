"""Overflow as a counted outcome: NaN and infinite entries of z, a, delta and dC/dW."""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import LayerPass, Quantity


@final
class Nonfinite(Quantity):
    """Number of non-finite entries in z^[l], a^[l], delta^[l] and dC/dW^[l] together."""

    columns: ClassVar[tuple[str, ...]] = ("nonfinite",)

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        parts = (layer.z, layer.a, layer.delta, layer.weight_gradient)
        return (sum((~torch.isfinite(p)).flatten(1).sum(1) for p in parts),)  # type: ignore[return-value]
