"""One tensor (R, ...) per layer, and its reductions to one number per layer and run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from experiments.core.operations import quiet
from experiments.core.reductions import (
    Totals,
    are_safe,
    means,
    norms,
    shares_below,
    shares_of_zeros,
    variances,
)

#: largest ratio of squared mean to mean square at which their difference loses at most one bit
NO_CANCELLATION = 0.5


@final
@dataclass(frozen=True)
class Block:
    """Layers of the same shape, concatenated along the run axis.

    Attributes:
        layers: their indices, counted from 0 (layer l = 2).
        tensor: (layers * R, ...), layer by layer, at least one entry a row.
    """

    layers: tuple[int, ...]
    tensor: Tensor

    @cached_property
    def rows(self) -> Tensor:
        """One row for every layer and run, (layers * R, n)."""
        return self.tensor.flatten(1)

    @cached_property
    def sizes(self) -> Tensor:
        """|x|, like the tensor, and itself if nothing is negative."""
        # on a GPU the signs are not read, because that would wait for the device
        return self.tensor if self.tensor.is_cpu and self.smallest >= 0 else self.tensor.abs()

    @cached_property
    def smallest(self) -> float:
        """The smallest entry of all, NaN if one is NaN; to read it waits for a device."""
        return float(self.tensor.min())

    def shares_small(self, bound: float) -> Tensor:
        """Shares of every row's entries x with |x| < ``bound``, (layers * R,)."""
        if self.tensor.is_cpu and self.smallest >= bound:
            return self.tensor.new_zeros(len(self.tensor), dtype=torch.float64)
        return shares_below(self.sizes.flatten(1), bound)


@final
class PerLayer:
    """One quantity in every layer at one step, such as z or the gradient of the weights.

    Layers of the same shape are reduced together, so a deep network of constant width needs only a few
    operations. Reductions that several quantities use are computed once. They are float64 tensors
    (layers, R) on the device.

    Args:
        blocks: blocks that together contain every layer once.
        totals: returns what compiled loops found in the rows, if they did.

    Example:
        >>> two_layers_of_two_runs = torch.tensor([[3.0, 4], [0, 0], [5, 12], [1, 1]])
        >>> last = torch.tensor([[2.0], [-2]])
        >>> values = PerLayer([Block((0, 1), two_layers_of_two_runs), Block((2,), last)])
        >>> values.norm.tolist()
        [[5.0, 0.0], [13.0, 1.4142135623730951], [2.0, 2.0]]
    """

    def __init__(
        self, blocks: Sequence[Block], totals: Callable[[], Totals | None] | None = None
    ) -> None:
        self.blocks = tuple(blocks)
        self._find_totals = totals

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

    @cached_property
    def _order(self) -> list[int]:
        return [layer for block in self.blocks for layer in block.layers]

    @cached_property
    def _in_order(self) -> bool:
        return self._order == sorted(self._order)

    def assembled(self, parts: Sequence[Tensor]) -> Tensor:
        """Join one tensor (layers * R,) per block to (layers, R), float64, in the order of the layers."""
        if self._in_order and self.is_cpu:
            numbers = np.concatenate([part.numpy() for part in parts], dtype=np.float64)
            return torch.from_numpy(numbers).view(len(self._order), -1)
        if self._in_order:
            return torch.cat(list(parts)).double().view(len(self._order), -1)
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
        if self._totals and are_safe(
            found := np.sqrt(self._totals.squares), self.blocks[0].tensor.dtype
        ):
            return torch.from_numpy(found)
        return self.assembled(self._norms)

    @cached_property
    def rms(self) -> Tensor:
        """Root mean squares."""
        if self._totals:
            return torch.from_numpy(self.norm.numpy() / np.sqrt(self._totals.entries))
        pairs = zip(self._norms, self.blocks, strict=True)
        return self.assembled([norm / math.sqrt(block.rows.shape[1]) for norm, block in pairs])

    @cached_property
    def mean(self) -> Tensor:
        """Means over examples and units."""
        if self._totals and np.isfinite(self._totals.sums).all():
            return torch.from_numpy(self._totals.sums / self._totals.entries)
        return self.assembled(
            [means(block.rows, self._known("sums", block)) for block in self.blocks]
        )

    @cached_property
    def share_of_zeros(self) -> Tensor:
        """Shares of entries that are 0."""
        if self._totals:
            return torch.from_numpy(self._totals.zeros / self._totals.entries)
        return self.reduced(shares_of_zeros)

    def shares_small(self, bounds: Sequence[float]) -> Tensor:
        """Shares of entries x with |x| < the bound of their layer; one bound for a whole block."""
        if self._totals and self._totals.bounds == tuple(bounds):
            return torch.from_numpy(self._totals.small / self._totals.entries)
        return self.assembled(
            [block.shares_small(bounds[block.layers[0]]) for block in self.blocks]
        )

    @property
    def nonzero(self) -> bool:
        """Whether it is certain that no entry is 0; to read it waits for a device."""
        if self._totals:
            return not self._totals.zeros.any()
        return all(block.smallest > 0 for block in self.blocks)

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

    @cached_property
    def _totals(self) -> Totals | None:
        return self._find_totals() if self._find_totals else None

    @cached_property
    def _norms(self) -> list[Tensor]:
        return [norms(block.rows, self._known("squares", block)) for block in self.blocks]

    def _known(self, name: Literal["sums", "squares"], block: Block) -> np.ndarray | None:
        """Totals of the rows of a block, (rows,)."""
        if self._totals is None:
            return None
        every_layer: np.ndarray = getattr(self._totals, name)
        return every_layer[list(block.layers)].reshape(-1)
