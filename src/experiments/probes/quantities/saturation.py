"""Saturated and dead units.

    saturated = share of (example, unit) with |sigma'(z)| < 0.05 max|sigma'|
    dead      = share of units with sigma'(z) = 0 on every example of the batch

The inactive half of a ReLU counts as saturated; a unit is dead only if it is inactive for all examples.
"""

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
            _shares(block, FLAT * step.max_derivative[block.layers[0]])
            for block in step.derivative.blocks
        ]
        saturated, dead = zip(*shares, strict=True)
        return step.derivative.assembled(saturated), step.derivative.assembled(dead)


def _shares(block: Block, flat: float) -> tuple[Tensor, Tensor]:
    """Both shares for every layer and run of a block; ``flat`` is the bound on a saturated slope."""
    sizes = block.tensor
    # on a GPU the signs are not read, because that would wait for the device
    if sizes.is_cpu and block.nonnegative:
        saturated = block.shares_below(flat)
        if block.positive:
            return saturated, torch.zeros_like(saturated)
    else:
        sizes = torch.abs(sizes, out=scratch(sizes, sizes.dtype))
        saturated = shares_below(sizes.flatten(1), flat)
    return saturated, shares_of_zeros(sizes.amax(dim=1))
