"""One tensor (R, ...) per layer, and its reductions to one number per layer and run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from experiments.core.operations import can_compile, quiet
from experiments.core.reductions import (
    Totals,
    compiled_shares_below,
    means,
    norms,
    shares_below,
    shares_of_zeros,
    totals,
    variances,
)

#: largest ratio of squared mean to mean square at which their difference loses at most one bit
NO_CANCELLATION = 0.5


@final
@dataclass(frozen=True)
class Block:
    """Layers of the same shape, concatenated along the run axis, and reductions of their rows.

    Attributes:
        layers: their indices, counted from 0 (layer l = 2).
        tensor: (layers * R, ...), layer by layer, at least one entry a row.
        compile: reduce by a loop that Numba compiles, where it can.
    """

    layers: tuple[int, ...]
    tensor: Tensor
    compile: bool = False

    @cached_property
    def rows(self) -> Tensor:
        """One row for every layer and run, (layers * R, n)."""
        return self.tensor.flatten(1)

    @cached_property
    def norms(self) -> Tensor:
        """Euclidean norms of the rows, like all that follow (layers * R,)."""
        return norms(self.rows, self._totals)

    @cached_property
    def means(self) -> Tensor:
        """Means."""
        return means(self.rows, self._totals)

    @cached_property
    def shares_of_zeros(self) -> Tensor:
        """Shares of entries that are 0."""
        return shares_of_zeros(self.rows, self._totals)

    def shares_below(self, bound: float) -> Tensor:
        """Shares of entries below ``bound``."""
        if self._totals:
            return compiled_shares_below(self.rows, bound)
        if self.tensor.is_cpu and self._smallest >= bound:
            return self.tensor.new_zeros(len(self.tensor), dtype=torch.float64)
        return shares_below(self.rows, bound)

    @property
    def positive(self) -> bool:
        """Whether every entry is above 0; to read it waits for a device."""
        if self._totals:
            return self.nonnegative and not self._totals.zeros.any()
        return self._smallest > 0

    @property
    def nonnegative(self) -> bool:
        """Whether every entry is 0 or above; to read it waits for a device."""
        if self._totals:
            return not (self._totals.negatives.any() or np.isnan(self._totals.sums).any())
        return self._smallest >= 0

    @cached_property
    def _totals(self) -> Totals | None:
        return totals(self.rows) if self.compile and can_compile(self.rows) else None

    @cached_property
    def _smallest(self) -> float:
        """NaN if one is NaN."""
        return float(self.tensor.min())


@final
class PerLayer:
    """One quantity in every layer at one step, such as z or the gradient of the weights.

    Layers of the same shape are reduced together, so a deep network of constant width needs only a few
    operations. Reductions that several quantities use are computed once. They are float64 tensors
    (layers, R) on the device.

    Args:
        blocks: blocks that together contain every layer once.

    Example:
        >>> two_layers_of_two_runs = torch.tensor([[3.0, 4], [0, 0], [5, 12], [1, 1]])
        >>> last = torch.tensor([[2.0], [-2]])
        >>> values = PerLayer([Block((0, 1), two_layers_of_two_runs), Block((2,), last)])
        >>> values.norm.tolist()
        [[5.0, 0.0], [13.0, 1.4142135623730951], [2.0, 2.0]]
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        order = [layer for block in self.blocks for layer in block.layers]
        self._layers = len(order)
        self._in_order = order == sorted(order)

    @property
    def is_cpu(self) -> bool:
        """Whether the numbers are on the CPU, so that reading them does not wait for a device."""
        return self.blocks[0].tensor.is_cpu

    def __getitem__(self, layer: int) -> Tensor:
        """The tensor of one layer, (R, ...)."""
        for block in self.blocks:
            if layer in block.layers:
                by_layer: Tensor = block.tensor.unflatten(0, (len(block.layers), -1))
                return by_layer[block.layers.index(layer)]
        raise IndexError(layer)

    def assembled(self, parts: Sequence[Tensor]) -> Tensor:
        """Join one tensor (layers * R,) per block to (layers, R), float64, in the order of the layers."""
        if self._in_order and self.is_cpu:
            numbers = np.concatenate([part.numpy() for part in parts], dtype=np.float64)
            return torch.from_numpy(numbers).view(self._layers, -1)
        if self._in_order:
            return torch.cat(list(parts)).double().view(self._layers, -1)
        rows: dict[int, Tensor] = {}
        for block, part in zip(self.blocks, parts, strict=True):
            rows.update(zip(block.layers, part.view(len(block.layers), -1), strict=True))
        return torch.stack([rows[layer] for layer in sorted(rows)]).double()

    def reduced(self, reduction: Callable[[Tensor], Tensor]) -> Tensor:
        """Reduce every row to one number with a function of all rows of a block, (rows, n) -> (rows,)."""
        return self.assembled([reduction(block.rows) for block in self.blocks])

    @cached_property
    def norm(self) -> Tensor:
        """Euclidean (Frobenius) norms."""
        return self.assembled([block.norms for block in self.blocks])

    @cached_property
    def rms(self) -> Tensor:
        """Root mean squares."""
        return self.assembled([b.norms / math.sqrt(b.rows.shape[1]) for b in self.blocks])

    @cached_property
    def mean(self) -> Tensor:
        """Means over examples and units."""
        return self.assembled([block.means for block in self.blocks])

    @cached_property
    def share_of_zeros(self) -> Tensor:
        """Shares of entries that are 0."""
        return self.assembled([block.shares_of_zeros for block in self.blocks])

    @cached_property
    def variance(self) -> Tensor:
        """Population variances over examples and units."""
        if not self.is_cpu:
            return self.reduced(variances)
        with quiet():
            squared_mean, mean_square = np.square(self.mean.numpy()), np.square(self.rms.numpy())
            difference = mean_square - squared_mean
        # if all units are similar, as in deep layers, the difference loses its digits
        accurate = (squared_mean <= NO_CANCELLATION * mean_square) & np.isfinite(difference)
        if accurate.all():
            return torch.from_numpy(difference)
        return torch.from_numpy(np.where(accurate, difference, self.reduced(variances).numpy()))
