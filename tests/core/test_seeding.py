"""Streams of one seed: independent of each other, equal to themselves, for any integer."""

import itertools

import numpy as np
import pytest
import torch

from experiments.core.errors import ConfigurationError
from experiments.core.seeding import DATA, INITIALISATION, SHUFFLING, run_seeds, stream

NAMES = (INITIALISATION, DATA, SHUFFLING, f"{DATA}/train")


def drawn(seed: int, name: str, n: int = 2000) -> torch.Tensor:
    """The first normal numbers of a stream."""
    return torch.randn(n, generator=stream(seed, name), dtype=torch.float64)


def test_streams_are_uncorrelated() -> None:
    """Of neighbouring seeds and of one seed's purposes: every correlation is within five errors of 0."""
    numbers = torch.stack([drawn(seed, name) for seed in range(10) for name in NAMES])
    correlations = torch.corrcoef(numbers) - torch.eye(len(numbers), dtype=torch.float64)
    assert correlations.abs().max() < 5 / np.sqrt(numbers.shape[1])


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**64, 10**40])
def test_a_stream_is_the_same_every_time_and_leaves_the_global_one_alone(seed) -> None:
    """However large the seed; drawing from one stream does not move another."""
    state = torch.random.get_rng_state()
    first = drawn(seed, DATA, 5)
    drawn(seed, SHUFFLING)
    assert torch.equal(drawn(seed, DATA, 5), first)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_large_seeds_that_share_their_last_bits_differ() -> None:
    """No seed is cut to 32 or 64 bits."""
    seeds = [0, 2**32, 2**64, 2**96]
    for one, other in itertools.combinations(seeds, 2):
        assert not torch.equal(drawn(one, DATA, 5), drawn(other, DATA, 5))


@pytest.mark.parametrize(
    ("seed", "runs", "expected"),
    [
        (3, None, [3]),
        (3, 2, [3, 4]),
        ([7, 7], 2, [7, 7]),
        (range(2, 5), 3, [2, 3, 4]),
        (np.array([1, 2]), 2, [1, 2]),
        (torch.tensor(5), 2, [5, 6]),
        (np.array(5), None, [5]),
    ],
)
def test_one_seed_counts_up_and_several_are_taken_as_they_are(seed, runs, expected) -> None:
    """Whatever holds them."""
    assert run_seeds(seed, runs) == expected


@pytest.mark.parametrize(
    ("seed", "runs", "found"),
    [([1], 2, "1 seeds"), ([], 1, "0 seeds"), ([1, -1], 2, "seed=-1"), (0, 0, "runs=0")],
)
def test_seeds_that_do_not_fit_are_refused(seed, runs, found) -> None:
    """Too few, too small, or for no run."""
    with pytest.raises(ConfigurationError, match=f"found {found}"):
        run_seeds(seed, runs)
