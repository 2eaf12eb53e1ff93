"""The order of a run's examples."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.core.seeding import SHUFFLING, stream
from experiments.training.batches import INDEX, BatchOrder, BatchOrders

SIZES = st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@given(SIZES, st.integers(0, 2**64))
def test_every_epoch_holds_every_example_once(sizes, seed) -> None:
    """The batches laid end to end are permutations of all examples, one after the other."""
    examples, batch = sizes
    row = BatchOrder(seed, examples, batch).take(5 * examples).flatten()
    for epoch in row.split(examples):
        if len(epoch) == examples:
            assert epoch.sort().values.tolist() == list(range(examples))


@given(SIZES, st.lists(st.integers(0, 6), max_size=5), st.booleans())
def test_how_the_steps_are_cut_does_not_matter(sizes, cuts, replacement) -> None:
    """Chunks of any lengths give the order that single steps give."""
    examples, batch = sizes
    in_chunks = BatchOrder(3, examples, batch, replacement)
    parts = [in_chunks.take(steps) for steps in cuts]
    one_by_one = BatchOrder(3, examples, batch, replacement)
    steps = [one_by_one.take(1) for _ in range(sum(cuts))]
    nothing = torch.empty(0, batch, dtype=INDEX)
    assert torch.equal(torch.cat([nothing, *parts]), torch.cat([nothing, *steps]))


def test_the_first_epoch_is_a_permutation_of_the_runs_shuffling_stream() -> None:
    """A known answer: torch's permutation from the stream that no other purpose shares."""
    wanted = torch.randperm(10, generator=stream(5, SHUFFLING))
    assert BatchOrder(5, 10, 5).take(2).flatten().tolist() == wanted.tolist()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=6), st.booleans())
def test_what_is_drawn_ahead_does_not_matter(taken_and_ahead, replacement) -> None:
    """Runs that leave in between take nothing from the others, whatever had been drawn by then."""

    def orders() -> list[BatchOrder]:
        return [BatchOrder(seed, 7, 3, replacement) for seed in range(4)]

    stack, alone, alive = BatchOrders(orders(), torch.device("cpu")), orders(), [0, 1, 2, 3]
    for taken, ahead in taken_and_ahead:
        found = stack.take(taken)
        wanted = [alone[run].take(taken) for run in alive]
        assert taken == 0 or torch.equal(found, torch.stack(wanted, dim=1))
        stack.draw(ahead)
        if len(alive) > 1:
            alive = alive[1:]
            stack.select(range(1, len(alive) + 1))


@pytest.mark.parametrize("replacement", [False, True])
def test_seeds_give_their_own_order(replacement) -> None:
    """Two seeds differ; one seed repeats, 0 included."""
    first, again, other = (BatchOrder(s, 50, 50, replacement).take(1) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_draws_with_replacement_are_uniform_and_independent() -> None:
    """Counts over 50,000 draws of ten examples lie within five standard deviations; some repeat."""
    drawn = BatchOrder(0, 10, 50, replacement=True).take(1000)
    counts = torch.bincount(drawn.flatten(), minlength=10).double()
    assert counts.sub(5000).abs().max() < 5 * (50_000 * 0.1 * 0.9) ** 0.5
    assert all(len(batch.unique()) < 50 for batch in drawn)
