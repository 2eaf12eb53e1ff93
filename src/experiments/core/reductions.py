"""Reductions of rows (R, n) to one number each, (R,), in few quick passes over memory.

On a CPU float64 sums cost three times what float32 sums cost, so float64 comes in only where it
changes the result. NumPy's products of rows take half the time of torch's norm, and its comparisons
write a byte where torch's write four or are eight times as slow. Between two records the processor
forgets all code, so that the first call of every kind of operation takes six times as long as the
second: few kinds are better than the right one for each purpose.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.core.operations import SMALL_SUM, VECTORISED, quiet

#: squares of entries within these norms neither underflow nor overflow
SAFE = {torch.float32: (1e-14, 1e18), torch.float64: (1e-140, 1e150)}
#: how much of the mean square the squared mean may be for their difference to keep all its bits but
#: one
NO_CANCELLATION = 0.5

#: by device and type; large temporaries would be fetched from the system, and zeroed, every time
_MEMORY: dict[tuple[torch.device, torch.dtype], Tensor] = {}


def scratch(like: Tensor, dtype: torch.dtype) -> Tensor:
    """Memory of the shape of ``like`` until the next call: it is always the same."""
    key = (like.device, dtype)
    if key not in _MEMORY or _MEMORY[key].numel() < like.numel():
        _MEMORY[key] = torch.empty(like.numel(), dtype=dtype, device=like.device)
    return _MEMORY[key][: like.numel()].view(like.shape)


def norms(rows: Tensor) -> Tensor:
    """Euclidean norms, added up in the type of the rows: right where :func:`are_safe` holds."""
    if _by_numpy(rows):
        at = rows.numpy()
        with quiet():
            return torch.from_numpy(np.sqrt(np.vecdot(at, at), dtype=np.float64))
    found: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return found.double()


def are_safe(found: Tensor, dtype: torch.dtype) -> bool:
    """Whether norms of rows of this type had squares within its range. Waits for the device."""
    low, high = SAFE.get(dtype, (math.inf, 0.0))
    numbers = found.cpu().numpy()
    return bool(low < numbers.min() and numbers.max() < high)


def wide_norms(rows: Tensor) -> Tensor:
    """Euclidean norms of rows of any size, in float64."""
    if rows.dtype != torch.float64:  # whose range has room for all other squares
        found: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        return found
    largest = rows.abs().amax(1)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
    scaled: Tensor = torch.linalg.vector_norm(rows / scale[:, None], dim=1) * scale
    return scaled


def means(rows: Tensor) -> Tensor:
    """Means, added up in the type of the rows, but never in half precision."""
    if _by_numpy(rows):
        at = rows.numpy()
        with quiet():
            totals = np.vecdot(at, np.ones(at.shape[1], at.dtype))
        return torch.from_numpy(totals / np.float64(at.shape[1]))
    total = rows.sum(1, dtype=torch.float32 if rows.element_size() < 4 else None)
    return total.double() / rows.shape[1]


def spreads(rows: Tensor) -> Tensor:
    """Standard deviations; centred first, so that entries that agree keep their digits."""
    rows = rows.float() if rows.element_size() < 4 else rows
    mean = means(rows).to(rows.dtype)
    centred = torch.sub(rows, mean[:, None], out=scratch(rows, rows.dtype))
    found = norms(centred) if rows.is_cpu else wide_norms(centred)
    if rows.is_cpu and not are_safe(found, rows.dtype):
        found = wide_norms(centred)
    return found / math.sqrt(rows.shape[1])


def shares_below(rows: Tensor, bound: float) -> Tensor:
    """Shares of entries below ``bound``; a NaN is not below."""
    return _shares(np.less, torch.lt, rows, bound)


def shares_of_zeros(rows: Tensor) -> Tensor:
    """Shares of entries that are 0."""
    return _shares(np.equal, torch.eq, rows, 0.0)


def _by_numpy(rows: Tensor) -> bool:
    """Whether its BLAS adds such rows up, on the calling thread."""
    return rows.is_cpu and rows.dtype in VECTORISED and rows.shape[1] <= SMALL_SUM


def _shares(ufunc: Any, operator: Callable[..., Tensor], rows: Tensor, value: float) -> Tensor:
    if not (rows.is_cpu and rows.dtype in VECTORISED):
        return operator(rows, value).sum(1).double() / rows.shape[1]
    flags = scratch(rows, torch.bool).numpy()
    ufunc(rows.numpy(), rows.numpy().dtype.type(value), out=flags)
    if not np.count_nonzero(flags):
        return torch.zeros(len(rows), dtype=torch.float64)
    if rows.shape[1] % 8:
        counts = np.count_nonzero(flags, axis=1)
    else:  # eight flags in every word
        counts = np.bitwise_count(flags.view(np.uint64)).sum(1, dtype=np.int64)
    return torch.from_numpy(counts / rows.shape[1])
