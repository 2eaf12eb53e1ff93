"""The size of delta.

    delta_norm = ||delta^[l]||_F,    delta_rms = delta_norm / sqrt(batch * n_l)

over all examples and units of the layer; delta = dC/dz of the mean cost C, including the factor 1/batch.
"""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class DeltaSize(Quantity):
    """RMS and Frobenius norm of delta^[l], and the norm's log10."""

    columns: ClassVar[tuple[str, ...]] = ("delta_rms", "delta_norm", "log10_delta_norm")
    sums: ClassVar[tuple[str, ...]] = ("delta",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        norm = step.delta.norm
        return step.delta.rms, norm, norm.log10()
