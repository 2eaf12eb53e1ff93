"""The number of NaN and infinite entries of z, a, delta and dC/dW."""

from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from experiments.core.probe import Quantity, StepPass


@final
class Nonfinite(Quantity):
    """Number of non-finite entries in z^[l], a^[l], delta^[l] and dC/dW^[l] together."""

    columns: ClassVar[tuple[str, ...]] = ("nonfinite",)

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        parts = (step.z, step.a, step.delta, step.weight_gradient)
        if step.z.is_cpu:  # if reductions that are computed anyway are finite, all entries are
            reductions = (step.z.mean, step.a.mean, step.delta.norm, step.weight_gradient.norm)
            if all(np.isfinite(reduction.numpy()).all() for reduction in reductions):
                return (torch.zeros_like(reductions[0]),)
        counts = [part.reduced(lambda rows: (~rows.isfinite()).sum(1)) for part in parts]
        return (torch.stack(counts).sum(0),)
