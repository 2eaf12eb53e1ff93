"""How fast the weights move: ||update of W^[l]||_F / ||W^[l]||_F for one optimiser step.

About 1e-3 is customary for a healthy layer. NaN where no step follows the record.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from experiments.core.probe import LayerPass, Quantity
from experiments.probes.quantities.per_run import norm_per_run


@final
class UpdateRatio(Quantity):
    """Norm of the next update of W^[l] over the norm of W^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("update_ratio",)

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        size = norm_per_run(layer.weight)
        if layer.update is None:
            return (torch.full_like(size, torch.nan),)
        return (norm_per_run(layer.update) / size,)
