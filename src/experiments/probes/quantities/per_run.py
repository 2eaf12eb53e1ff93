"""Reductions of (R, ...) to one number a run, each in few quick passes over memory.

On a CPU float64 sums cost three times what float32 sums cost, so float64 comes in only where it
changes the result; a comparison that writes floats and a sum is three times faster than counting
booleans, and a sum of ones is exact up to 2^24.
"""

import math

import torch
from torch import Tensor

#: squares of entries within these norms neither underflow nor overflow in float32
SAFE = (1e-14, 1e18)


#: by device and type; large temporaries would be fetched from the system, and zeroed, every time
_MEMORY: dict[tuple[torch.device, torch.dtype], Tensor] = {}


def scratch(like: Tensor) -> Tensor:
    """Memory of the shape and type of ``like`` until the next call: it is always the same."""
    key = (like.device, like.dtype)
    if key not in _MEMORY or _MEMORY[key].numel() < like.numel():
        _MEMORY[key] = torch.empty(like.numel(), dtype=like.dtype, device=like.device)
    return _MEMORY[key][: like.numel()].view(like.shape)


def norm_per_run(t: Tensor) -> Tensor:
    """The Frobenius norm, (R,), float64, whose squares neither underflow nor overflow."""
    rows = t.flatten(1)
    if t.is_cpu and t.dtype == torch.float32:
        norm: Tensor = torch.linalg.vector_norm(rows, dim=1)
        low, high = norm.aminmax()
        if float(low) > SAFE[0] and float(high) < SAFE[1]:
            return norm.double()
    wide: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return wide


def mean_per_run(t: Tensor) -> Tensor:
    """The mean, (R,), float64; summed in the type of ``t``, but never in half precision."""
    rows = t.flatten(1)
    total = rows.sum(1, dtype=torch.float32 if t.element_size() < 4 else None)
    return total.double() / rows.shape[1]


def rms_per_run(t: Tensor) -> Tensor:
    """The root of the mean of the squares, (R,), float64."""
    return norm_per_run(t) / math.sqrt(t[0].numel())


def share_below(t: Tensor, bound: float) -> Tensor:
    """The share of entries below ``bound``, (R,), float64; a NaN is not below. ``t`` may be scratch."""
    return mean_per_run(torch.lt(t, bound, out=scratch(t)))


def share_equal(t: Tensor, value: float) -> Tensor:
    """The share of entries equal to ``value``, (R,), float64."""
    return mean_per_run(torch.eq(t, value, out=scratch(t)))
