"""How fast the weights move: ||update of W^[l]||_F / ||W^[l]||_F for one optimiser step.

About 1e-3 is customary for a healthy layer. NaN where no step follows the record.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class UpdateRatio(Quantity):
    """Norm of the next update of W^[l] over the norm of W^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("update_ratio",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        size = step.weight.norm
        return (
            torch.full_like(size, torch.nan) if step.update is None else step.update.norm / size,
        )
