"""The one place that seeds.

One seed, several independent streams: drawing more weights never moves the order of the batches.
A stream is a CPU generator, so a network starts the same on every device.
"""

import zlib
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
import torch

from experiments.core.errors import ConfigurationError, describe
from experiments.core.whole import whole

#: one seed, or one per run; NumPy's and torch's integers are as good as Python's
Seeds = SupportsIndex | Sequence[SupportsIndex] | np.ndarray | torch.Tensor

INITIALISATION = "initialisation"
DATA = "data"
SHUFFLING = "shuffling"


def stream(seed: SupportsIndex, name: str) -> torch.Generator:
    """A generator for one purpose, independent of every other purpose of the same seed.

    Args:
        seed: any integer from 0; 0 is a seed like any other.
        name: what the numbers are for, one of the constants of this module.

    Raises:
        ConfigurationError: for a seed that is negative or no integer.

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
    """The seed of every run: a sequence as it is, one number s as s .. s + R - 1.

    Args:
        seed: one seed, or one per run.
        runs: number of runs R, or None for a single network (one seed).

    Raises:
        ConfigurationError: if a sequence does not hold exactly one seed per run, or something is not an
            integer from 0.

    Example:
        >>> run_seeds(3, 4), run_seeds([7, 9], 2), run_seeds(0, None)
        ([3, 4, 5, 6], [7, 9], [0])
    """
    count = 1 if runs is None else whole("runs", runs, 1)
    given = seed.tolist() if isinstance(seed, np.ndarray | torch.Tensor) else seed
    if isinstance(given, str) or not isinstance(given, Sequence):
        first = whole("seed", given, 0)
        return [first + r for r in range(count)]
    if len(given) != count:
        raise ConfigurationError(
            describe(
                f"{len(given)} seeds", f"{count}, one for each run", "give one seed or R of them"
            )
        )
    return [whole("seed", s, 0) for s in given]
