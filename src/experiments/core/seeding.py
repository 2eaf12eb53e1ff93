"""Random streams for initialisation, data and shuffling, all made from one seed.

The streams of a seed are independent, so that drawing more weights does not change the order of the
batches. A stream is a CPU generator, so that a network starts with the same numbers on every device.
"""

import zlib
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
import torch

from experiments.core.errors import ConfigurationError, describe
from experiments.core.whole import whole

#: one seed, or one per run, as integers of Python, NumPy or torch
Seeds = SupportsIndex | Sequence[SupportsIndex] | np.ndarray | torch.Tensor

INITIALISATION = "initialisation"
DATA = "data"
SHUFFLING = "shuffling"


def stream(seed: SupportsIndex, name: str) -> torch.Generator:
    """A generator for one purpose, independent of the generators of the same seed for other purposes.

    Args:
        seed: any integer >= 0; 0 is a seed like any other.
        name: the purpose: a constant of this module, or one of them with "/" and a part of that purpose.

    Raises:
        ConfigurationError: for a seed that is negative or not an integer.

    Example:
        >>> a, b = stream(0, INITIALISATION), stream(0, SHUFFLING)
        >>> bool((torch.rand(3, generator=a) == torch.rand(3, generator=b)).any())
        False
    """
    entropy = whole("seed", seed, 0)
    sequence = np.random.SeedSequence(entropy=entropy, spawn_key=(zlib.crc32(name.encode()),))
    generator = torch.Generator(device="cpu")
    generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator


def run_seeds(seed: Seeds, runs: SupportsIndex | None) -> list[int]:
    """The seed of every run: a sequence as it is, a single s as s, ..., s + R - 1.

    Args:
        seed: one seed, or one per run.
        runs: number of runs R, or None for a single network (one seed).

    Raises:
        ConfigurationError: if a sequence does not have exactly one seed per run, or a seed is not an
            integer >= 0.

    Example:
        >>> run_seeds(3, 4), run_seeds([7, 9], 2), run_seeds(0, None)
        ([3, 4, 5, 6], [7, 9], [0])
    """
    count = 1 if runs is None else whole("runs", runs, 1)
    seeds = seed.tolist() if isinstance(seed, np.ndarray | torch.Tensor) else seed
    if isinstance(seeds, str) or not isinstance(seeds, Sequence):
        first = whole("seed", seeds, 0)
        return [first + r for r in range(count)]
    if len(seeds) != count:
        remedy = f"give one seed, or {count} of them"
        raise ConfigurationError(
            describe(f"{len(seeds)} seeds", f"{count}, one for each run", remedy)
        )
    return [whole("seed", s, 0) for s in seeds]
