r"""Numbers outside the range of floats: a tensor of mantissas and a power-of-two exponent.

    true value = mantissa * 2^exponent

Multiplication by a power of two changes only the exponent of a float, so rescaling adds no rounding. The
exponent is stored as a float64 tensor of integers (exact up to 2^53), one per run.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from experiments.core.reductions import norms

LOG10_2 = math.log10(2.0)

#: up to this exponent, powers of two and their inverses are normal float64 numbers
LARGEST_STEP = 1000


@dataclass(frozen=True)
class Scaled:
    """mantissa * 2^exponent: (*runs, m, n) and (*runs, 1, 1), float64."""

    mantissa: Tensor
    exponent: Tensor

    @cached_property
    def norm(self) -> Tensor:
        """The Frobenius norm of the mantissa, (*runs, 1, 1), free of under- and overflow."""
        return norms(self.mantissa.reshape(self.exponent.numel(), -1)).view(self.exponent.shape)

    @property
    def log10_norm(self) -> Tensor:
        """log10 of the Frobenius norm, (*runs)."""
        return (self.norm.log10() + self.exponent * LOG10_2).squeeze((-2, -1))

    def lies_within(self, low: int, high: int) -> bool:
        """Whether the norm of the mantissa is 0 or between 2^low and 2^high, in every run."""
        norm = self.norm
        return bool(((norm == 0) | (norm > 2.0**low) & (norm < 2.0**high)).all())


def normalised(values: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Scale float64 values so that the largest magnitude over the last axes lies in [1/2, 1).

    Args:
        values: float64.
        dims: number of trailing axes that share one exponent.

    Returns:
        (mantissa, exponent) with values = mantissa * 2^exponent; the shared axes of the exponent have
        length 1. The exponent is 0 where all values are 0 or one is not finite.

    Example:
        >>> normalised(torch.tensor([3.0, -12.0], dtype=torch.float64), dims=1)
        (tensor([ 0.1875, -0.7500], dtype=torch.float64), tensor([4.], dtype=torch.float64))
    """
    largest = values.abs().amax(dim=tuple(range(-dims, 0)), keepdim=True)
    _, exponent = torch.frexp(largest)
    exponent = torch.where(torch.isfinite(largest) & (largest > 0), exponent, 0).double()
    return scaled(values, -exponent), exponent


def scaled(values: Tensor, exponent: Tensor) -> Tensor:
    """values * 2^exponent for float64 values, without intermediate over- or underflow.

    A result outside the range of floats is infinite or 0; 0 * 2^e is 0 for every e.
    """
    while bool(exponent.any()):
        step = exponent.clamp(-LARGEST_STEP, LARGEST_STEP)
        values = values * _power_of_two(step)
        exponent = exponent - step
    return values


def _power_of_two(exponent: Tensor) -> Tensor:
    """2^exponent from its bit pattern, because exp2 is not exact on every device."""
    power: Tensor = ((exponent.long() + 1023) << 52).view(torch.float64)
    return power
