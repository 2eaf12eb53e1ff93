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
        slopes = step.derivative
        bounds = [FLAT * step.max_derivative[block.layers[0]] for block in slopes.blocks]
        # on a GPU the signs are not read, because that would wait for the device
        if not (slopes.is_cpu and slopes.nonnegative):
            pairs = zip(slopes.blocks, bounds, strict=True)
            saturated, dead = zip(
                *(_of_signed(block, bound) for block, bound in pairs), strict=True
            )
            return slopes.assembled(saturated), slopes.assembled(dead)
        shares = slopes.shares_below(bounds)
        if slopes.positive:
            return shares, torch.zeros_like(shares)
        return shares, slopes.assembled([_dead(block.tensor) for block in slopes.blocks])


def _of_signed(block: Block, bound: float) -> tuple[Tensor, Tensor]:
    """Both shares for every layer and run of a block, whose slopes may be negative."""
    sizes = torch.abs(block.tensor, out=scratch(block.tensor, block.tensor.dtype))
    return shares_below(sizes.flatten(1), bound), _dead(sizes)


def _dead(sizes: Tensor) -> Tensor:
    """Shares of units whose |sigma'| is 0 on every example; from (layers * R, batch, n)."""
    return shares_of_zeros(sizes.amax(dim=1))
