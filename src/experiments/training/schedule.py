"""When a run pauses: training is cut into chunks between the steps at which something is looked at."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: steps between two looks at the losses, at most: a run that diverged leaves within so many steps
LONGEST_CHUNK = 100


class Chunk(NamedTuple):
    """Steps ``start`` .. ``stop - 1``, and what is looked at before the first of them."""

    start: int
    stop: int
    record: bool
    evaluate: bool


@dataclass(frozen=True)
class Plan:
    """The chunks of a run, as one loader (to Lightning a list would mean several)."""

    chunks: tuple[Chunk, ...]

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.chunks)

    def __len__(self) -> int:
        return len(self.chunks)


def plan(max_steps: int, record_every: int | None, evaluations: int) -> Plan:
    """Cut ``max_steps`` steps at every record, every evaluation, and every LONGEST_CHUNK steps.

    The state after the last step is not in the list: it is always recorded and evaluated.

    >>> [(c.start, c.stop, c.record, c.evaluate) for c in plan(10, 4, 2)]
    [(0, 4, True, True), (4, 5, True, False), (5, 8, False, True), (8, 10, True, False)]
    """
    records = set(range(0, max_steps, record_every)) if record_every else {0}
    evaluated = {max_steps * e // evaluations for e in range(evaluations)}
    if max_steps == 0:
        return Plan((Chunk(0, 0, False, False),))
    cuts = sorted({0, *records, *evaluated, *range(0, max_steps, LONGEST_CHUNK)} | {max_steps})
    return Plan(
        tuple(
            Chunk(start, stop, start in records, start in evaluated)
            for start, stop in itertools.pairwise(cuts)
        )
    )
