"""One tensor (R, ...) for every layer, and its reductions to one number per layer and run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from experiments.core.operations import quiet
from experiments.core.reductions import means, norms, variances

#: how much of the mean square the squared mean may be for their difference to keep all its bits but
#: one
NO_CANCELLATION = 0.5


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
        self._layers = len(order)
        self._in_order = order == sorted(order)

    @property
    def is_cpu(self) -> bool:
        """Whether the numbers are at hand, with no device to wait for."""
        return self.blocks[0].tensor.is_cpu

    def __getitem__(self, layer: int) -> Tensor:
        """The tensor of one layer, (R, ...)."""
        for block in self.blocks:
            if layer in block.layers:
                own: Tensor = block.tensor.unflatten(0, (len(block.layers), -1))
                return own[block.layers.index(layer)]
        raise IndexError(layer)

    def assembled(self, found: Sequence[Tensor]) -> Tensor:
        """One tensor (layers of the block * R,) per block as (layers, R), float64, first to last."""
        if self._in_order and self.is_cpu:
            numbers = np.concatenate([part.numpy() for part in found], dtype=np.float64)
            return torch.from_numpy(numbers).view(self._layers, -1)
        if self._in_order:
            return torch.cat(list(found)).double().view(self._layers, -1)
        rows: dict[int, Tensor] = {}
        for block, part in zip(self.blocks, found, strict=True):
            rows.update(zip(block.layers, part.view(len(block.layers), -1), strict=True))
        return torch.stack([rows[layer] for layer in sorted(rows)]).double()

    def reduced(self, reduction: Callable[[Tensor], Tensor]) -> Tensor:
        """Every row (n,) to one number, by a function of the rows of a block, (rows, n)."""
        return self.assembled([reduction(block.rows) for block in self.blocks])

    @cached_property
    def _norms(self) -> list[Tensor]:
        return [norms(block.rows) for block in self.blocks]

    @cached_property
    def norm(self) -> Tensor:
        """Euclidean (Frobenius) norms."""
        return self.assembled(self._norms)

    @cached_property
    def rms(self) -> Tensor:
        """Roots of the means of the squares."""
        pairs = zip(self._norms, self.blocks, strict=True)
        return self.assembled([found / math.sqrt(block.rows.shape[1]) for found, block in pairs])

    @cached_property
    def mean(self) -> Tensor:
        """Means over examples and units."""
        return self.reduced(means)

    @cached_property
    def variance(self) -> Tensor:
        """Population variances over examples and units."""
        if not self.is_cpu:
            return self.reduced(variances)
        with quiet():
            squared_mean, mean_square = np.square(self.mean.numpy()), np.square(self.rms.numpy())
            quick = mean_square - squared_mean
        # where units agree, as in deep layers, a difference of squares has no digits
        kept = (squared_mean <= NO_CANCELLATION * mean_square) & np.isfinite(quick)
        if kept.all():
            return torch.from_numpy(quick)
        return torch.from_numpy(np.where(kept, quick, self.reduced(variances).numpy()))
