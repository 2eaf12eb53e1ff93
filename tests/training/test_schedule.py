"""When a run pauses."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from experiments.training.schedule import LONGEST_CHUNK, plan

ARGUMENTS = (st.integers(1, 700), st.none() | st.integers(1, 300), st.integers(1, 40))


@given(*ARGUMENTS)
def test_the_chunks_cover_every_step_once(max_steps, every, evaluations) -> None:
    """They follow one another from 0 to the last step, and none is empty or too long."""
    chunks = list(plan(max_steps, every, evaluations))
    assert chunks[0].start == 0
    assert chunks[-1].stop == max_steps
    assert all(one.stop == other.start for one, other in itertools.pairwise(chunks))
    assert all(0 < chunk.stop - chunk.start <= LONGEST_CHUNK for chunk in chunks)


@given(*ARGUMENTS)
def test_records_fall_on_multiples(max_steps, every, evaluations) -> None:
    """Step 0 and every k-th step before the end; the end itself is always recorded."""
    found = [step for chunk in plan(max_steps, every, evaluations) for step in chunk.records]
    assert found == [
        step for step in range(max_steps) if step == 0 or (every and step % every == 0)
    ]


@given(*ARGUMENTS)
def test_evaluations_are_evenly_spaced(max_steps, every, evaluations) -> None:
    """As many as asked for, or one a step; gaps differ by one at most."""
    found = [chunk.start for chunk in plan(max_steps, every, evaluations) if chunk.evaluate]
    assert len(found) == min(evaluations, max_steps)
    gaps = {b - a for a, b in itertools.pairwise([*found, max_steps])}
    assert max(gaps) - min(gaps) <= 1


def test_no_steps_are_one_empty_chunk() -> None:
    """Lightning needs something to iterate over; the end's record and evaluation do the rest."""
    chunks = list(plan(0, 10, 5))
    assert [(chunk.start, chunk.stop, chunk.records, chunk.evaluate) for chunk in chunks] == [
        (0, 0, (), False)
    ]
