"""Saturated and dead units.

    saturated = share of (example, unit) with |sigma'(z)| < 0.05 max|sigma'|
    dead      = share of units with sigma'(z) = 0 on every example of the batch

The inactive half of a ReLU counts as saturated; a unit is dead only if it is inactive for all examples.
"""

import math
from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.per_layer import Block
from experiments.core.probe import Quantity, StepPass
from experiments.core.reductions import scratch, shares_below, shares_of_zeros

#: a slope below this share of the largest one counts as saturated
FLAT = 0.05


@final
class Saturation(Quantity):
    """Share of saturated and share of dead units."""

    columns: ClassVar[tuple[str, ...]] = ("saturated", "dead")

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        shares = [
            _saturation(block, FLAT * step.max_derivative[block.layers[0]])
            for block in step.derivative.blocks
        ]
        saturated, dead = zip(*shares, strict=True)
        return step.derivative.assembled(saturated), step.derivative.assembled(dead)


def _saturation(block: Block, flat: float) -> tuple[Tensor, Tensor]:
    """Both shares for every layer and run of a block; ``flat`` is the bound on a saturated slope."""
    slopes = block.rows
    # on a GPU the minimum is not read, because that would wait for the device
    smallest = block.smallest if slopes.is_cpu else -math.inf
    if smallest >= flat:
        none = slopes.new_zeros(len(slopes), dtype=torch.float64)
        return none, none
    if not smallest >= 0:
        slopes = torch.abs(slopes, out=scratch(slopes, slopes.dtype))
    saturated = shares_below(slopes, flat)
    if smallest > 0:
        return saturated, torch.zeros_like(saturated)
    largest = slopes.view(block.tensor.shape).amax(dim=1)
    return saturated, shares_of_zeros(largest)
