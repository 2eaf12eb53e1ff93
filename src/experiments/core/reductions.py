"""Reductions of rows (R, n) to one number each, (R,) in float64, in few fast passes over memory.

The result of a row depends on that row alone. On a CPU float64 sums take three times as long as float32
sums, so float64 is used only where it changes the result. NumPy's products of rows take half the time of
torch's norm, and its comparisons write one byte per entry where torch's write four or are eight times as
slow. Between two records the code drops out of the processor's caches, and the first call of each
operation takes six times as long as the second. So it is better to use few different operations than the
most specific one for each purpose. One compiled pass (``core/compiled.py``) gives the :class:`Totals` of
a row.
"""

import math
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.core.operations import SMALL_SUM, VECTORISED, Operation, quiet

#: range of norms in which squares of entries neither underflow nor overflow
SAFE = {torch.float32: (1e-14, 1e18), torch.float64: (1e-140, 1e150)}


class _Memory(threading.local):
    """Scratch memory by device and type; the system would have to zero large temporaries every time."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[torch.device, torch.dtype], Tensor] = {}


_MEMORY = _Memory()


def scratch(like: Tensor, dtype: torch.dtype) -> Tensor:
    """Scratch memory in the shape of ``like``, valid until the next call in this thread reuses it."""
    key = (like.device, dtype)
    buffers = _MEMORY.buffers
    if key not in buffers or buffers[key].numel() < like.numel():
        with torch.inference_mode(False):  # the memory outlives the mode of this call
            buffers[key] = torch.empty(like.numel(), dtype=dtype, device=like.device)
    return buffers[key][: like.numel()].view(like.shape)


class Totals(NamedTuple):
    """What compiled loops found in the rows of every layer and run, (layers, R) each, in float64.

    Attributes:
        sums: of the entries.
        squares: sums of the entries' squares, which may have underflowed or overflowed.
        zeros: number of entries that are 0.
        small: number of entries of size below the layer's bound.
        entries: number of entries of a row, (layers, 1).
        bounds: of every layer.
    """

    sums: np.ndarray
    squares: np.ndarray
    zeros: np.ndarray
    small: np.ndarray
    entries: np.ndarray
    bounds: tuple[float, ...]


def totalling(rows: Tensor, bound: float, found: np.ndarray) -> Operation:
    """Find the first four :class:`Totals` of rows (R, n) at every call, by a compiled loop.

    Args:
        rows: for which ``operations.can_compile`` is true.
        bound: in the fourth, entries of size below it are counted.
        found: (4, R), float64; receives them.
    """
    from experiments.core.compiled import row_totals  # here, because Numba takes long to import

    array = rows.numpy()
    return partial(row_totals, array, array.dtype.type(bound), SMALL_SUM, found)


def norms(rows: Tensor, squares: np.ndarray | None = None) -> Tensor:
    """Euclidean norms, without underflow or overflow of the squares; ``squares`` are known sums of them."""
    if not (rows.is_cpu and rows.dtype in SAFE):
        return _wide_norms(rows)
    result = np.sqrt(_sums(rows.numpy(), _squares) if squares is None else squares)
    if not are_safe(result, rows.dtype):
        low, high = SAFE[rows.dtype]
        unsafe = ~((low < result) & (result < high))
        unsafe_rows = rows[torch.from_numpy(unsafe)]
        if bool(unsafe_rows.any()):  # rows of zeros, as of a dead layer, are right already
            result[unsafe] = _wide_norms(unsafe_rows).numpy()
    return torch.from_numpy(result)


def are_safe(norms: np.ndarray, dtype: torch.dtype) -> bool:
    """Whether the squares of entries of this type can neither underflow nor overflow at these norms."""
    low, high = SAFE[dtype]
    return bool(norms.min() > low and norms.max() < high)


def means(rows: Tensor, sums: np.ndarray | None = None) -> Tensor:
    """Means; summed in the type of the rows, but in float32 for half precision; ``sums`` are known ones."""
    if not (rows.is_cpu and rows.dtype in VECTORISED):
        wide = torch.promote_types(rows.dtype, torch.float32)
        return rows.sum(1, dtype=wide).double() / rows.shape[1]
    result = (_sums(rows.numpy(), _entries) if sums is None else sums) / rows.shape[1]
    unsafe = ~np.isfinite(result)
    if unsafe.any():  # entries that are not finite, or a sum that overflows their type
        result[unsafe] = rows[torch.from_numpy(unsafe)].double().mean(1).numpy()
    return torch.from_numpy(result)


def variances(rows: Tensor) -> Tensor:
    """Population variances; rows are centred first, so that almost equal entries keep their digits."""
    rows = rows.float() if rows.element_size() < 4 else rows
    mean = means(rows).to(rows.dtype)
    centred = torch.sub(rows, mean[:, None], out=scratch(rows, rows.dtype))
    rms, residual_mean = norms(centred) / math.sqrt(rows.shape[1]), means(centred).abs()
    # rms^2 - residual_mean^2: rounding of the mean leaves a small residual
    return ((rms - residual_mean) * (rms + residual_mean)).clamp(min=0.0)


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
    else:  # count the bits of eight flags at once
        counts = np.bitwise_count(flags.view(np.uint64)).sum(1, dtype=np.int64)
    return torch.from_numpy(counts / rows.shape[1])


def _sums(rows: np.ndarray, summed: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Sums of the rows in float64, by a function that sums along the last axis.

    It is applied to pieces that NumPy's BLAS sums on one thread, and in which float32 keeps its digits.
    """
    split = rows.shape[1] - rows.shape[1] % SMALL_SUM
    with quiet():
        total = summed(rows[:, split:]).astype(np.float64)
        if split:
            pieces = rows[:, :split].reshape(len(rows), -1, SMALL_SUM)
            total += summed(pieces).sum(-1, dtype=np.float64)
    return total


def _squares(rows: np.ndarray) -> np.ndarray:
    summed: np.ndarray = np.vecdot(rows, rows)
    return summed


def _entries(rows: np.ndarray) -> np.ndarray:
    summed: np.ndarray = np.vecdot(rows, np.ones(rows.shape[-1], rows.dtype))
    return summed


def _wide_norms(rows: Tensor) -> Tensor:
    """Euclidean norms of rows whose squares may be outside of the range of their type."""
    if rows.dtype != torch.float64:  # float64 can represent the squares of every narrower type
        result: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        return result
    largest = rows.abs().amax(1)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
    scaled: Tensor = torch.linalg.vector_norm(rows / scale[:, None], dim=1) * scale
    return scaled
