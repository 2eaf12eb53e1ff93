"""Which units have stopped passing a signal.

    saturated = share of (example, unit) with |sigma'(z)| < 0.05 max|sigma'|
    dead      = share of units with sigma'(z) = 0 on every example of the batch

A rectifier's inactive half counts as saturated; only a unit that is off for all examples is dead.
"""

import math
from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.per_layer import Block
from experiments.core.probe import Quantity, StepPass
from experiments.core.reductions import scratch, shares_below, shares_of_zeros

#: the flat part: below this share of the largest slope
FLAT = 0.05


@final
class Saturation(Quantity):
    """Saturated share and dead share."""

    columns: ClassVar[tuple[str, ...]] = ("saturated", "dead")

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        found = [
            _saturation(block, FLAT * step.max_derivative[block.layers[0]])
            for block in step.derivative.blocks
        ]
        saturated, dead = zip(*found, strict=True)
        return step.derivative.assembled(saturated), step.derivative.assembled(dead)


def _saturation(block: Block, flat: float) -> tuple[Tensor, Tensor]:
    """Both shares, of every layer and run of a block."""
    slopes = block.rows
    least = float(slopes.min()) if slopes.is_cpu else -math.inf  # a GPU is not waited for
    if not least >= 0:
        slopes = torch.abs(slopes, out=scratch(slopes, slopes.dtype))
    saturated = shares_below(slopes, flat)
    if least > 0:
        return saturated, torch.zeros_like(saturated)
    steepest = slopes.view(block.tensor.shape).amax(dim=1)
    return saturated, shares_of_zeros(steepest)
