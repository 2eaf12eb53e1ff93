r"""Numbers outside the range of floats: a mantissa tensor and a power-of-two exponent.

    true value = mantissa * 2^exponent

Multiplying by a power of two only moves a float's exponent, so rescaling adds no rounding. The
exponent is a float64 tensor that holds an integer (exact up to 2^53), one per run.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from experiments.core.reductions import norms

LOG10_2 = math.log10(2.0)

#: powers of two up to this exponent are normal float64 numbers, and so are their inverses
LARGEST_STEP = 1000


@dataclass(frozen=True)
class Scaled:
    """mantissa * 2^exponent: (*runs, m, n) and (*runs, 1, 1), float64."""

    mantissa: Tensor
    exponent: Tensor

    @cached_property
    def norm(self) -> Tensor:
        """The Frobenius norm of the mantissa, (*runs, 1, 1), whatever its size."""
        found = norms(self.mantissa.reshape(self.exponent.numel(), -1))
        return found.view(self.exponent.shape)

    @property
    def log10_norm(self) -> Tensor:
        """log10 of the Frobenius norm, (*runs)."""
        return (self.norm.log10() + self.exponent * LOG10_2).squeeze((-2, -1))

    def lies_within(self, low: int, high: int) -> bool:
        """Whether every run's mantissa is all 0, or has a norm between 2^low and 2^high."""
        size = self.norm
        return bool(((size == 0) | (size > 2.0**low) & (size < 2.0**high)).all())


def normalised(values: Tensor, dims: int) -> tuple[Tensor, Tensor]:
    """Scale float64 values so that the largest magnitude over the last axes lies in [1/2, 1).

    Args:
        values: float64.
        dims: how many of the last axes share one exponent.

    Returns:
        (mantissa, exponent) with values = mantissa * 2^exponent; the exponent keeps the shared axes
        with length 1. Zeros keep exponent 0; what is not finite stays so.

    Example:
        >>> normalised(torch.tensor([3.0, -12.0], dtype=torch.float64), dims=1)
        (tensor([ 0.1875, -0.7500], dtype=torch.float64), tensor([4.], dtype=torch.float64))
    """
    largest = values.abs().amax(dim=tuple(range(-dims, 0)), keepdim=True)
    _, exponent = torch.frexp(largest)
    exponent = torch.where(torch.isfinite(largest) & (largest > 0), exponent, 0).double()
    return scaled(values, -exponent), exponent


def scaled(values: Tensor, exponent: Tensor) -> Tensor:
    """values * 2^exponent for float64 values, without an intermediate over- or underflow.

    A result beyond the floats is infinite or 0, as it should be, and 0 * 2^e is 0 for every e.
    """
    while bool(exponent.any()):
        step = exponent.clamp(-LARGEST_STEP, LARGEST_STEP)
        values = values * _power_of_two(step)
        exponent = exponent - step
    return values


def _power_of_two(exponent: Tensor) -> Tensor:
    """2^exponent from its bit pattern: exp2 does not promise the last bit on every device."""
    power: Tensor = ((exponent.long() + 1023) << 52).view(torch.float64)
    return power
