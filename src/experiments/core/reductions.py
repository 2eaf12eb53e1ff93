"""Reductions of rows (R, n) to one number each, (R,) in float64, in few quick passes over memory.

A row's number depends on that row alone. On a CPU float64 sums cost three times what float32 sums
cost, so float64 comes in only where it changes the result. NumPy's products of rows take half the
time of torch's norm, and its comparisons write a byte where torch's write four or are eight times as
slow. Between two records the processor forgets all code, so that the first call of every kind of
operation takes six times as long as the second: few kinds are better than the right one for each
purpose.
"""

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.core.operations import SMALL_SUM, VECTORISED, quiet

#: squares of entries within these norms neither underflow nor overflow
SAFE = {torch.float32: (1e-14, 1e18), torch.float64: (1e-140, 1e150)}


class _Memory(threading.local):
    """By device and type; large temporaries would be fetched from the system, and zeroed, anew."""

    def __init__(self) -> None:
        self.held: dict[tuple[torch.device, torch.dtype], Tensor] = {}


_MEMORY = _Memory()


def scratch(like: Tensor, dtype: torch.dtype) -> Tensor:
    """Memory of the shape of ``like`` until this thread's next call: it is always the same."""
    key = (like.device, dtype)
    held = _MEMORY.held
    if key not in held or held[key].numel() < like.numel():
        with torch.inference_mode(False):  # it outlives the mode of this call
            held[key] = torch.empty(like.numel(), dtype=dtype, device=like.device)
    return held[key][: like.numel()].view(like.shape)


def norms(rows: Tensor) -> Tensor:
    """Euclidean norms, whose squares neither underflow nor overflow."""
    if not (rows.is_cpu and rows.dtype in SAFE):
        return _wide_norms(rows)
    found = np.sqrt(_totals(rows.numpy(), lambda part: np.vecdot(part, part)))
    low, high = SAFE[rows.dtype]
    unsafe = ~((low < found) & (found < high))
    if unsafe.any():
        doubtful = rows[torch.from_numpy(unsafe)]
        if bool(doubtful.any()):  # not just rows of zeros, as a dead layer leaves them
            found[unsafe] = _wide_norms(doubtful).numpy()
    return torch.from_numpy(found)


def means(rows: Tensor) -> Tensor:
    """Means, added up in the type of the rows, but never in half precision."""
    if not (rows.is_cpu and rows.dtype in VECTORISED):
        return (
            rows.sum(1, dtype=torch.promote_types(rows.dtype, torch.float32)).double()
            / rows.shape[1]
        )
    at = rows.numpy()
    ones = np.ones(min(at.shape[1], SMALL_SUM), at.dtype)
    found = _totals(at, lambda part: np.vecdot(part, ones[: part.shape[-1]])) / at.shape[1]
    unsafe = ~np.isfinite(found)
    if unsafe.any():  # entries that are not finite, or a sum beyond their type
        found[unsafe] = rows[torch.from_numpy(unsafe)].double().mean(1).numpy()
    return torch.from_numpy(found)


def variances(rows: Tensor) -> Tensor:
    """Population variances; centred first, so that entries that agree keep their digits."""
    rows = rows.float() if rows.element_size() < 4 else rows
    about = means(rows).to(rows.dtype)
    centred = torch.sub(rows, about[:, None], out=scratch(rows, rows.dtype))
    spread, left = norms(centred) / math.sqrt(rows.shape[1]), means(centred).abs()
    # less what rounding has left of the mean
    return ((spread - left) * (spread + left)).clamp(min=0.0)


def shares_below(rows: Tensor, bound: float) -> Tensor:
    """Shares of entries below ``bound``; a NaN is not below."""
    return _shares(np.less, torch.lt, rows, bound)


def shares_of_zeros(rows: Tensor) -> Tensor:
    """Shares of entries that are 0."""
    return _shares(np.equal, torch.eq, rows, 0.0)


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


def _totals(rows: np.ndarray, added: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Rows added up by a product of their last axis, in float64.

    In pieces that NumPy's BLAS adds on the calling thread, and in which float32 keeps its digits.
    """
    whole = rows.shape[1] - rows.shape[1] % SMALL_SUM
    with quiet():
        found = added(rows[:, whole:]).astype(np.float64)
        if whole:
            pieces = rows[:, :whole].reshape(len(rows), -1, SMALL_SUM)
            found += added(pieces).sum(-1, dtype=np.float64)
    return found


def _wide_norms(rows: Tensor) -> Tensor:
    """Euclidean norms of rows of any size."""
    if rows.dtype != torch.float64:  # whose range has room for all other squares
        found: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        return found
    largest = rows.abs().amax(1)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
    scaled: Tensor = torch.linalg.vector_norm(rows / scale[:, None], dim=1) * scale
    return scaled
