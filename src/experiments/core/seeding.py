"""The one place that seeds.

One seed, several independent streams: drawing more weights never moves the order of the batches.
A stream is a CPU generator, so a network starts the same on every device.
"""

import operator
import zlib
from collections.abc import Sequence

import numpy as np
import torch

from experiments.core.errors import ConfigurationError, describe

INITIALISATION = "initialisation"
DATA = "data"
SHUFFLING = "shuffling"


def stream(seed: int, name: str) -> torch.Generator:
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
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigurationError(
            describe(f"seed={seed!r}", "an integer from 0", "give for instance seed=0")
        )
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(zlib.crc32(name.encode()),))
    generator = torch.Generator(device="cpu")
    generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator


def run_seeds(seed: int | Sequence[int], runs: int | None) -> list[int]:
    """The seed of every run: a sequence as it is, one number s as s .. s + R - 1.

    Args:
        seed: one seed, or one per run.
        runs: number of runs R, or None for a single network (one seed).

    Raises:
        ConfigurationError: if a sequence does not hold exactly one seed per run.

    Example:
        >>> run_seeds(3, 4), run_seeds([7, 9], 2), run_seeds(0, None)
        ([3, 4, 5, 6], [7, 9], [0])
    """
    count = 1 if runs is None else runs
    if not isinstance(seed, Sequence):  # Python's integers and NumPy's
        return [operator.index(seed) + r for r in range(count)]
    if len(seed) != count:
        raise ConfigurationError(
            describe(
                f"{len(seed)} seeds", f"{count}, one for each run", "give one seed or R of them"
            )
        )
    return [int(s) for s in seed]
