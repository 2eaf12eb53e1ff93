"""The size of the forward signal: mean and variance of a^[l] over examples and units."""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class ActivationMoments(Quantity):
    """Mean and (population) variance of a^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("activation_mean", "activation_variance")
    sums: ClassVar[tuple[str, ...]] = ("a",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        return step.a.mean, step.a.variance
