"""The size of the bias gradient, ||dC/db^[l]||_2 of the mean cost C (Nielsen's speed of learning)."""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class BiasGradientSize(Quantity):
    """Euclidean norm of dC/db^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("bias_gradient_norm",)
    sums: ClassVar[tuple[str, ...]] = ("bias_gradient",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        return (step.bias_gradient.norm,)
