"""The examples of each step of gradient descent: all of them, one drawn at random, or a batch."""

from collections.abc import Iterator, Sequence
from operator import index
from typing import SupportsIndex

import torch
from jaxtyping import Int
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.core.whole import is_whole

#: number of examples drawn in advance for each run; affects only the speed
AHEAD = 1024


def batch_of(method: str, examples: int, batch_size: SupportsIndex | None) -> int:
    """The number of examples in one step.

    Raises:
        ConfigurationError: for an unknown method, or a batch size that is missing, out of range, or not
            used by the method.
    """
    if method not in ("full", "stochastic", "mini-batch"):
        expected = "'full', 'stochastic' or 'mini-batch'"
        raise ConfigurationError(
            describe(f"method={method!r}", expected, "choose one of the three")
        )
    if (batch_size is not None) != (method == "mini-batch"):
        expected = "a batch_size with method='mini-batch', and only there"
        remedy = "give method='mini-batch', batch_size=32, for instance"
        raise ConfigurationError(
            describe(f"batch_size={batch_size} with method={method!r}", expected, remedy)
        )
    if batch_size is None:
        return examples if method == "full" else 1
    if not is_whole(batch_size, 1) or index(batch_size) > examples:
        expected = f"1 to {examples}, the number of examples"
        remedy = "give a whole number in this range"
        raise ConfigurationError(describe(f"batch_size={batch_size!r}", expected, remedy))
    return index(batch_size)


def drawn(
    method: str, examples: int, batch: int, generators: Sequence[torch.Generator]
) -> Iterator[Int[Tensor, "steps runs batch"]]:
    """An endless sequence of example indices, some steps at a time, from one generator per run.

    ``stochastic`` draws one example per step, with replacement. ``mini-batch`` shuffles the examples at
    the beginning of every epoch and goes through them in order; the last batch of an epoch is smaller if
    the batch size does not divide the number of examples.

    Args:
        method: "stochastic" or "mini-batch".
        examples: total number of examples.
        batch: number of examples per step.
        generators: one per run.

    Example:
        >>> two = [torch.Generator().manual_seed(s) for s in (0, 1)]
        >>> [tuple(i.shape) for i, _ in zip(drawn("mini-batch", 5, 2, two), range(3))]
        [(1, 2, 2), (1, 2, 2), (1, 2, 1)]
    """
    while True:
        if method == "stochastic":
            draws = [torch.randint(examples, (AHEAD,), generator=g) for g in generators]
            yield torch.stack(draws, dim=1).unsqueeze(-1)
        else:
            shuffled = torch.stack([torch.randperm(examples, generator=g) for g in generators])
            for part in shuffled.split(batch, dim=1):
                yield part.unsqueeze(0)


def gathered(
    indices: Int[Tensor, "steps runs batch"], x: Tensor, t: Tensor, stacked: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """The examples with these indices, step by step; without a run axis unless ``stacked``."""
    if not stacked:
        indices = indices.squeeze(1)
    indices = indices.to(x.device)
    # one indexing call takes as long as a step of a small network, so it serves several steps
    steps_per_call = max(1, 2**20 // (x[0].numel() * indices[0].numel()))
    for part in indices.split(steps_per_call):
        yield from zip(x[part].unbind(0), t[part].unbind(0), strict=True)
