"""Which units have stopped passing a signal.

    saturated = share of (example, unit) with |sigma'(z)| < 0.05 max|sigma'|
    dead      = share of units with sigma'(z) = 0 on every example of the batch

A rectifier's inactive half counts as saturated; only a unit that is off for all examples is dead.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import LayerPass, Quantity
from experiments.probes.quantities.per_run import mean_per_run, scratch, share_below

#: the flat part: below this share of the largest slope
FLAT = 0.05


@final
class Saturation(Quantity):
    """Saturated share and dead share."""

    columns: ClassVar[tuple[str, ...]] = ("saturated", "dead")

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        slope = torch.abs(layer.derivative, out=scratch(layer.derivative))
        dead = mean_per_run((slope.amax(dim=1) == 0).to(slope.dtype))
        return share_below(slope, FLAT * layer.max_derivative), dead
