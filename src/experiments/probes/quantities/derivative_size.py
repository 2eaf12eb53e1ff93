"""How much of the signal an activation lets through.

    derivative_mean = mean of sigma'(z),    derivative_rms = sqrt(mean of sigma'(z)^2)

over examples and units. The squared RMS times sigma_w^2 is the mean field's chi.
"""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import LayerPass, Quantity
from experiments.probes.quantities.per_run import mean_per_run, rms_per_run


@final
class DerivativeSize(Quantity):
    """Mean and RMS of sigma'(z^[l])."""

    columns: ClassVar[tuple[str, ...]] = ("derivative_mean", "derivative_rms")

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        return mean_per_run(layer.derivative), rms_per_run(layer.derivative)
