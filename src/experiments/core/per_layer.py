"""One tensor (R, ...) for every layer, and its reductions to one number per layer and run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from experiments.core.reductions import (
    NO_CANCELLATION,
    are_safe,
    means,
    norms,
    spreads,
    wide_norms,
)


@final
@dataclass(frozen=True)
class Block:
    """Layers of one shape, behind each other along the run axis.

    Attributes:
        layers: which, as list entries from 0 (layer l = 2).
        tensor: (layers * R, ...), layer by layer.
    """

    layers: tuple[int, ...]
    tensor: Tensor

    @cached_property
    def rows(self) -> Tensor:
        """One row for every layer and run, (layers * R, n)."""
        return self.tensor.flatten(1)


@final
class PerLayer:
    """What a step left in every layer: z, or the gradient of the weights.

    Layers of one shape are reduced together, so a deep network of one width costs a handful of
    operations; what several quantities read is read once. Reductions are float64 tensors
    (layers, R) on the device.

    Args:
        blocks: every layer in one of them.

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
        self._order = None if order == sorted(order) else np.argsort(order)

    def __getitem__(self, layer: int) -> Tensor:
        """The tensor of one layer, (R, ...)."""
        for layers, tensor in ((block.layers, block.tensor) for block in self.blocks):
            if layer in layers:
                return tensor.view(len(layers), -1, *tensor.shape[1:])[layers.index(layer)]
        raise IndexError(layer)

    def assembled(self, found: Sequence[Tensor]) -> Tensor:
        """One tensor (layers of the block * R,) per block as (layers, R), float64, first to last."""
        if found[0].is_cpu:
            numbers = np.concatenate([part.numpy() for part in found], dtype=np.float64)
            together = torch.from_numpy(numbers)
        else:
            together = torch.cat(list(found)).double()
        table = together.view(sum(len(block.layers) for block in self.blocks), -1)
        return table if self._order is None else table[self._order]

    def reduced(self, reduction: Callable[[Tensor], Tensor]) -> Tensor:
        """Every row (n,) to one number, by a function of the rows of a block, (rows, n)."""
        return self.assembled([reduction(block.rows) for block in self.blocks])

    @cached_property
    def norm(self) -> Tensor:
        """Euclidean (Frobenius) norms, whose squares neither underflow nor overflow."""
        rows = self.blocks[0].rows
        if rows.is_cpu:
            found = self.reduced(norms)
            if are_safe(found, rows.dtype):
                return found
        return self.reduced(wide_norms)

    @cached_property
    def rms(self) -> Tensor:
        """Roots of the means of the squares."""
        sizes = {k: block.rows.shape[1] for block in self.blocks for k in block.layers}
        entries = [math.sqrt(sizes[k]) for k in sorted(sizes)]
        return self.norm / self.norm.new_tensor(entries)[:, None]

    @cached_property
    def mean(self) -> Tensor:
        """Means over examples and units."""
        return self.reduced(means)

    @cached_property
    def variance(self) -> Tensor:
        """Population variances over examples and units."""
        if self.mean.is_cpu:
            squared_mean, mean_square = np.square(self.mean.numpy()), np.square(self.rms.numpy())
            if (squared_mean <= NO_CANCELLATION * mean_square).all():
                return torch.from_numpy(mean_square - squared_mean)
        # where units agree, as in deep layers, a difference of squares has no digits
        return self.reduced(spreads).square()
