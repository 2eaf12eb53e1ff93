"""ParameterBlocks: all layers of one shape in one tensor, so depth costs an update nothing.

Layers of equal shape lie one behind the other in memory, each with all its runs::

    storage (layers, R, *shape)     layer k:  storage[k]                 (R, *shape), contiguous
                                    block:    storage.transpose(0, 1)    (R, layers, *shape)

A deep network of one width has five distinct shapes (first, hidden and last weights; hidden and
last biases), hence five blocks and five kernels an update. One buffer (R, P) for everything would
need only one, but its layers are then not contiguous, and torch's batched product on the CPU
writes a gradient into such a view through a copy, which costs far more than the kernels saved.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor


class ParameterBlocks:
    """Tensors (R, *shape) with a common home; what is written to one is read in the other.

    Args:
        layers: tensors (R, *shape) of one type and device, for instance a network's weights and
            biases; their values are copied.

    Example:
        >>> blocks = ParameterBlocks([torch.zeros(3, 2, 2), torch.zeros(3, 2), torch.ones(3, 2, 2)])
        >>> [tuple(b.shape) for b in blocks.blocks], [tuple(b.shape) for b in blocks.layers]
        ([(3, 2, 2, 2), (3, 1, 2)], [(3, 2, 2), (3, 2), (3, 2, 2)])
    """

    #: the tensors in the order they were given, (R, *shape), contiguous
    layers: list[Tensor]
    #: for the optimiser: one tensor for each distinct shape, (R, number of layers, *shape)
    blocks: list[Tensor]

    def __init__(self, layers: Sequence[Tensor]) -> None:
        places: dict[torch.Size, list[int]] = {}
        for k, layer in enumerate(layers):
            places.setdefault(layer.shape, []).append(k)
        self._places = list(places.values())
        self.layers = [torch.empty(0)] * len(layers)
        self.blocks = []
        for positions in self._places:
            storage = torch.stack([layers[k].detach() for k in positions])
            self.blocks.append(storage.transpose(0, 1))
            for row, k in enumerate(positions):
                self.layers[k] = storage[row]

    def like(self) -> "ParameterBlocks":
        """Zeros of the same shapes in the same order: a home for the gradients."""
        return ParameterBlocks([torch.zeros_like(layer) for layer in self.layers])

    def select(self, index: Int64[Tensor, " kept"]) -> "ParameterBlocks":
        """A new home with copies of the runs that ``index`` names, in its order."""
        return ParameterBlocks([layer[index] for layer in self.layers])

    def on_host(self, index: Int64[Tensor, " kept"]) -> list[Tensor]:
        """Copies of these runs on the CPU, layer by layer as in ``layers``; one transfer a block."""
        found = list(self.layers)
        for positions, block in zip(self._places, self.blocks, strict=True):
            for k, layer in zip(positions, block[index].cpu().unbind(1), strict=True):
                found[k] = layer
        return found
