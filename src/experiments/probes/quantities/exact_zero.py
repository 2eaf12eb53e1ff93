"""Vanishing by underflow: the share of entries of delta^[l] that are exactly 0 as floats."""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class ExactZero(Quantity):
    """Share of exact zeros in delta^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("exact_zero",)
    sums: ClassVar[tuple[str, ...]] = ("delta",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        return (step.delta.share_of_zeros,)
