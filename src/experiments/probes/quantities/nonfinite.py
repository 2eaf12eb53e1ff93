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
        return (sum(map(_count, parts), torch.zeros((), dtype=torch.float64)),)


def _count(t: Tensor) -> Tensor:
    """How many entries of every run are not finite, (R,), float64."""
    rows = t.flatten(1)
    # on a CPU a sum is quick and its value at hand: where it is finite, so is every entry
    if t.device.type == "cpu" and bool(torch.isfinite(rows.sum(1)).all()):
        return rows.new_zeros(len(rows), dtype=torch.float64)
    return (~torch.isfinite(rows)).sum(1).double()
