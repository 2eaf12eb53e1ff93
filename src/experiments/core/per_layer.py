"""One tensor (R, ...) per layer, and its reductions to one number per layer and run."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

from experiments.core.operations import can_compile, quiet
from experiments.core.reductions import (
    Totals,
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
    """Layers of the same shape, concatenated along the run axis.

    Attributes:
        layers: their indices, counted from 0 (layer l = 2).
        tensor: (layers * R, ...), layer by layer.
    """

    layers: tuple[int, ...]
    tensor: Tensor

    @cached_property
    def rows(self) -> Tensor:
        """One row for every layer and run, (layers * R, n)."""
        return self.tensor.flatten(1)

    @cached_property
    def smallest(self) -> float:
        """The smallest entry of all, NaN if one is NaN; to read it waits for a device."""
        return float(self.tensor.min())

    def shares_below(self, bound: float, compiled: bool = False) -> Tensor:
        """Shares of every row's entries below ``bound``, (layers * R,)."""
        if not compiled and self.tensor.is_cpu and self.smallest >= bound:
            return self.tensor.new_zeros(len(self.tensor), dtype=torch.float64)
        return shares_below(self.rows, bound, compiled)


@final
class PerLayer:
    """One quantity in every layer at one step, such as z or the gradient of the weights.

    Layers of the same shape are reduced together, so a deep network of constant width needs only a few
    operations. Reductions that several quantities use are computed once. They are float64 tensors
    (layers, R) on the device.

    Args:
        blocks: blocks that together contain every layer once.
        compile: reduce by loops that Numba compiles, where it can; worth its second for many records.

    Example:
        >>> two_layers_of_two_runs = torch.tensor([[3.0, 4], [0, 0], [5, 12], [1, 1]])
        >>> last = torch.tensor([[2.0], [-2]])
        >>> values = PerLayer([Block((0, 1), two_layers_of_two_runs), Block((2,), last)])
        >>> values.norm.tolist()
        [[5.0, 0.0], [13.0, 1.4142135623730951], [2.0, 2.0]]
    """

    def __init__(self, blocks: Sequence[Block], compile: bool = False) -> None:
        self.blocks = tuple(blocks)
        order = [layer for block in self.blocks for layer in block.layers]
        self._layers = len(order)
        self._in_order = order == sorted(order)
        self._compile = compile

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
        return self.assembled(self._norms)

    @cached_property
    def rms(self) -> Tensor:
        """Root mean squares."""
        pairs = zip(self._norms, self.blocks, strict=True)
        return self.assembled([norm / math.sqrt(block.rows.shape[1]) for norm, block in pairs])

    @cached_property
    def mean(self) -> Tensor:
        """Means over examples and units."""
        return self.assembled([means(rows, sums) for rows, sums in self._known("sums")])

    @cached_property
    def share_of_zeros(self) -> Tensor:
        """Shares of entries that are 0."""
        return self.assembled([shares_of_zeros(rows, n) for rows, n in self._known("zeros")])

    @cached_property
    def positive(self) -> bool:
        """Whether every entry is above 0; to read it waits for a device."""
        if self._totals:
            return self.nonnegative and not self._totals.zeros.any()
        return all(block.smallest > 0 for block in self.blocks)

    @cached_property
    def nonnegative(self) -> bool:
        """Whether every entry is 0 or above; to read it waits for a device."""
        if self._totals:
            return not (self._totals.negatives.any() or np.isnan(self._totals.sums).any())
        return all(block.smallest >= 0 for block in self.blocks)

    def shares_below(self, bounds: Sequence[float]) -> Tensor:
        """Shares of entries below a bound, one for every block."""
        compiled = self._totals is not None
        pairs = zip(self.blocks, bounds, strict=True)
        return self.assembled([block.shares_below(bound, compiled) for block, bound in pairs])

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
    def _norms(self) -> list[Tensor]:
        return [norms(rows, squares) for rows, squares in self._known("squares")]

    @cached_property
    def _totals(self) -> Totals | None:
        """Of every row, block by block, if a compiled loop can find them."""
        rows = [block.rows for block in self.blocks]
        return totals(rows) if self._compile and can_compile(*rows) else None

    def _known(self, name: str) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Every block's rows, with this one of their totals."""
        rows = [block.rows for block in self.blocks]
        if self._totals is None:
            return zip(rows, itertools.repeat(None))
        numbers = torch.from_numpy(getattr(self._totals, name))
        return zip(rows, numbers.split([len(block) for block in rows]), strict=True)
