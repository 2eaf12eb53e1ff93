"""Training is cut into chunks of steps, which end where something is evaluated."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: most steps between two checks of the losses: a run that diverged leaves within this many steps
LONGEST_CHUNK = 100


class Chunk(NamedTuple):
    """Steps ``start`` .. ``stop - 1``: which are recorded, and whether to evaluate before the first."""

    start: int
    stop: int
    records: tuple[int, ...]
    evaluate: bool


@dataclass(frozen=True)
class Plan:
    """The chunks of a run, as one loader (Lightning takes a list for several loaders)."""

    chunks: tuple[Chunk, ...]

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.chunks)

    def __len__(self) -> int:
        return len(self.chunks)


def plan(max_steps: int, record_every: int | None, evaluations: int) -> Plan:
    """Cut ``max_steps`` steps at every evaluation, and every LONGEST_CHUNK steps.

    A record does not end a chunk: Lightning's overhead per chunk is as large as a record. The state
    after the last step is not in the list, since it is always recorded and evaluated.

    >>> [(c.start, c.stop, list(c.records), c.evaluate) for c in plan(10, 4, 2)]
    [(0, 5, [0, 4], True), (5, 10, [8], True)]
    """
    every = record_every or max(1, max_steps)
    evaluated = {max_steps * e // evaluations for e in range(evaluations)}
    if max_steps == 0:
        return Plan((Chunk(0, 0, (), False),))
    cuts = sorted({0, *evaluated, *range(0, max_steps, LONGEST_CHUNK)} | {max_steps})
    return Plan(
        tuple(
            Chunk(
                start,
                stop,
                # the multiples of ``every`` from ``start`` on
                records=tuple(range(-(-start // every) * every, stop, every)),
                evaluate=start in evaluated,
            )
            for start, stop in itertools.pairwise(cuts)
        )
    )
