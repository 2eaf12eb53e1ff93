"""Sums over the tensors of every layer, taken while a pass has them in the processor's caches.

A deep stack's z, a, sigma' and delta do not fit in the caches together, so that reading them after a
pass takes two to four times as long as reading each when it has just been written.
"""

from collections.abc import Collection, Sequence
from functools import partial
from typing import final

import numpy as np
import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.operations import Operations, can_compile
from experiments.core.reductions import Totals, totalling
from experiments.probes.quantities.saturation import FLAT


@final
class LayerSums:
    """Totals of every layer's tensors (R, ...) by compiled loops.

    Args:
        names: of the quantities that are summed up.
        activations: of every layer; slopes are compared with the bound below which they are flat.
    """

    def __init__(self, names: Collection[str], activations: Sequence[Activation]) -> None:
        self._names = names
        self._flat = tuple(FLAT * sigma.max_derivative for sigma in activations)
        self._none = (0.0,) * len(activations)
        self._found: dict[str, np.ndarray] = {}
        self._entries: dict[str, np.ndarray] = {}

    def observe(self, name: str, layers: int | range, tensor: Tensor) -> Operations:
        """Operations that sum up a quantity in one or more layers; none if it is not asked for.

        Args:
            name: of the quantity.
            layers: counted from 0; several follow each other.
            tensor: (layers * R, ...), layer by layer, whose memory every step fills anew.
        """
        if name not in self._names:
            return ()
        layers = range(layers, layers + 1) if isinstance(layers, int) else layers
        if name not in self._found:
            self._found[name] = np.empty((4, len(self._flat), len(tensor) // len(layers)))
            self._entries[name] = np.empty((len(self._flat), 1))
        which = slice(layers.start, layers.stop)
        self._entries[name][which] = tensor[0].numel()
        found, bound = self._found[name][:, which].reshape(4, -1), self._bounds(name)[layers[0]]
        if can_compile(tensor):
            return (totalling(tensor.flatten(1), bound, found),)
        copy = torch.empty(tensor.shape, dtype=tensor.dtype)  # in one piece
        return partial(copy.copy_, tensor), totalling(copy.flatten(1), bound, found)

    def of(self, name: str) -> Totals | None:
        """Those last taken, if this quantity is summed up."""
        if name not in self._found:
            return None
        sums, squares, zeros, small = self._found[name]
        return Totals(sums, squares, zeros, small, self._entries[name], self._bounds(name))

    def _bounds(self, name: str) -> tuple[float, ...]:
        return self._flat if name == "derivative" else self._none
