"""The order in which runs see their examples: shuffled epochs, or draws with replacement."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from experiments.core.seeding import SHUFFLING, stream

#: a chunk of thousands of runs takes half the memory of int64
INDEX = torch.int32


@final
class BatchOrder:
    """One run's endless sequence of shuffled epochs; a batch may span two of them.

    Args:
        seed: the run's seed; the order comes from its own stream.
        examples: size of the training split, N.
        batch_size: examples in a batch, at most N unless drawn with replacement (the settings see to it).
        replacement: draw every example of every batch anew instead.

    Example:
        >>> BatchOrder(seed=0, examples=5, batch_size=2).take(5).unique().tolist()
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self, seed: int, examples: int, batch_size: int, replacement: bool = False
    ) -> None:
        self.replacement = replacement
        self.examples = examples
        self.batch_size = batch_size
        self._generator = stream(seed, SHUFFLING)
        self._left = torch.empty(0, dtype=INDEX)

    def take(self, steps: int) -> Tensor:
        """Indices of the next ``steps`` batches, (steps, batch_size), int32."""
        needed = steps * self.batch_size
        if self.replacement:
            drawn = torch.randint(self.examples, (needed,), generator=self._generator, dtype=INDEX)
            return drawn.view(steps, self.batch_size)
        epochs = [self._left]
        have = len(self._left)
        while have < needed:
            epochs.append(torch.randperm(self.examples, generator=self._generator, dtype=INDEX))
            have += self.examples
        row = torch.cat(epochs)
        self._left = row[needed:].clone()  # a view would keep the whole row
        return row[:needed].view(steps, self.batch_size)


@final
class BatchOrders:
    """The orders of a stack's runs, on the device of their examples.

    Args:
        orders: of every run.
        device: where the indices are needed. They are drawn on the CPU, the same for every device.
    """

    def __init__(self, orders: Sequence[BatchOrder], device: torch.device) -> None:
        self._orders = orders
        self._device = device
        self._drawn = torch.empty(0)

    def draw(self, steps: int) -> None:
        """Draw ahead, so that the next ``steps`` batches are there.

        For thousands of runs drawing takes as long as training: a GPU that has work left goes on with
        it meanwhile, and the transfer does not wait for it.
        """
        have = len(self._drawn)
        if have >= steps:
            return
        new = torch.stack([order.take(steps - have) for order in self._orders], dim=1)
        if self._device.type == "cuda":
            new = new.pin_memory()
        new = new.to(self._device, non_blocking=True)
        self._drawn = torch.cat([self._drawn, new]) if have else new

    def take(self, steps: int) -> Tensor:
        """Indices of the next ``steps`` batches, (steps, R, batch_size), int32."""
        self.draw(steps)
        taken, left = self._drawn[:steps], self._drawn[steps:]
        # a view, even an empty one, would keep what was taken
        self._drawn = left if len(left) else torch.empty(0)
        return taken

    def next(self) -> Tensor:
        """Indices of the next batch, (1, R, batch_size), which stays the next one."""
        self.draw(1)
        return self._drawn[:1]

    def select(self, keep: Sequence[int]) -> None:
        """Keep these runs, in this order."""
        self._orders = [self._orders[r] for r in keep]
        if len(self._drawn):
            self._drawn = self._drawn[:, list(keep)]
