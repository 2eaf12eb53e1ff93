"""Which units have stopped passing a signal.

    saturated = share of (example, unit) with |sigma'(z)| < 0.05 max|sigma'|
    dead      = share of units with sigma'(z) = 0 on every example of the batch

A rectifier's inactive half counts as saturated; only a unit that is off for all examples is dead.
"""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import LayerPass, Quantity
from experiments.probes.quantities.per_run import share_below, share_equal

#: the flat part: below this share of the largest slope
FLAT = 0.05


@final
class Saturation(Quantity):
    """Saturated share and dead share."""

    columns: ClassVar[tuple[str, ...]] = ("saturated", "dead")

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        slope = layer.derivative.abs()
        dead = share_equal(slope.amax(dim=1), 0.0)
        return share_below(slope, FLAT * layer.max_derivative), dead
