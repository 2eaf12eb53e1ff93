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
    sums: ClassVar[tuple[str, ...]] = ("a", "delta", "derivative", "weight_gradient")

    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        parts = (step.z, step.a, step.delta, step.weight_gradient)
        if step.z.is_cpu and _all_finite(step):
            return (torch.zeros_like(step.delta.norm),)
        counts = [part.reduced(lambda rows: (~rows.isfinite()).sum(1)) for part in parts]
        return (torch.stack(counts).sum(0),)


def _all_finite(step: StepPass) -> bool:
    """Whether every entry is finite, judged by reductions that other quantities compute anyway."""
    reductions = [step.a.mean, step.delta.norm, step.weight_gradient.norm]
    # an infinite z has an infinite a or a slope of 0, and a NaN makes a NaN, so z is rarely read
    if not step.derivative.nonzero:
        reductions.append(step.z.mean)
    return all(np.isfinite(reduction.numpy()).all() for reduction in reductions)
