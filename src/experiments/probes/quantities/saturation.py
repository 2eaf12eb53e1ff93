"""Saturated and dead units.

    saturated = share of (example, unit) with |sigma'(z)| < 0.05 max|sigma'|
    dead      = share of units with sigma'(z) = 0 on every example of the batch

The inactive half of a ReLU counts as saturated; a unit is dead only if it is inactive for all examples.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import Quantity, StepPass
from experiments.core.reductions import shares_of_zeros

#: a slope below this share of the largest one counts as saturated
FLAT = 0.05


@final
class Saturation(Quantity):
    """Share of saturated and share of dead units."""

    columns: ClassVar[tuple[str, ...]] = ("saturated", "dead")
    sums: ClassVar[tuple[str, ...]] = ("derivative",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        slopes = step.derivative
        saturated = slopes.shares_small([FLAT * largest for largest in step.max_derivative])
        if slopes.is_cpu and slopes.nonzero:
            return saturated, torch.zeros_like(saturated)
        dead = [shares_of_zeros(block.sizes.amax(dim=1)) for block in slopes.blocks]
        return saturated, slopes.assembled(dead)
