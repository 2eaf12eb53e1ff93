"""The relative update of the weights, ||update of W^[l]||_F / ||W^[l]||_F, in one optimiser step.

About 1e-3 is usual for a layer that learns well. NaN if no step follows the record.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class UpdateRatio(Quantity):
    """Norm of the next update of W^[l] over the norm of W^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("update_ratio",)
    sums: ClassVar[tuple[str, ...]] = ("weight", "update")

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        norm = step.weight.norm
        if step.update is None:
            return (torch.full_like(norm, torch.nan),)
        return (step.update.norm / norm,)
