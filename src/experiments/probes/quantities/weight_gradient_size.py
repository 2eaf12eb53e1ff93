"""The size of the weight gradient, ||dC/dW^[l]||_F of the mean cost C."""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class WeightGradientSize(Quantity):
    """Frobenius norm of dC/dW^[l], and its log10."""

    columns: ClassVar[tuple[str, ...]] = ("weight_gradient_norm", "log10_weight_gradient_norm")
    sums: ClassVar[tuple[str, ...]] = ("weight_gradient",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        norm = step.weight_gradient.norm
        return norm, norm.log10()
