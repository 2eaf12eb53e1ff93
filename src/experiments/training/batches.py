"""The order in which one run sees its examples: shuffled epochs, or draws with replacement."""

import torch
from torch import Tensor

from experiments.core.seeding import SHUFFLING, stream


class BatchOrder:
    """An endless sequence of shuffled epochs; a batch may span two of them.

    Args:
        seed: the run's seed; the order comes from its own stream.
        examples: size of the training split, N.
        batch_size: examples in a batch, at most N unless drawn with replacement (the stack checks).
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
        self._left = torch.empty(0, dtype=torch.long)

    def take(self, steps: int) -> Tensor:
        """Indices of the next ``steps`` batches, (steps, batch_size)."""
        needed = steps * self.batch_size
        if self.replacement:
            drawn = torch.randint(self.examples, (needed,), generator=self._generator)
            return drawn.view(steps, self.batch_size)
        epochs = [self._left]
        have = len(self._left)
        while have < needed:
            epochs.append(torch.randperm(self.examples, generator=self._generator))
            have += self.examples
        row = torch.cat(epochs)
        self._left = row[needed:]
        return row[:needed].view(steps, self.batch_size)
