"""The size of sigma', which scales the gradient in every layer.

    derivative_mean = mean of sigma'(z),    derivative_rms = sqrt(mean of sigma'(z)^2)

over examples and units. The squared RMS times sigma_w^2 is chi of the mean field.
"""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class DerivativeSize(Quantity):
    """Mean and RMS of sigma'(z^[l])."""

    columns: ClassVar[tuple[str, ...]] = ("derivative_mean", "derivative_rms")
    sums: ClassVar[tuple[str, ...]] = ("derivative",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        return step.derivative.mean, step.derivative.rms
