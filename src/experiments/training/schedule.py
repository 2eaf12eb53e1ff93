"""Training is cut into chunks of steps, which end where something is evaluated."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: most steps between two checks of the losses: a run that diverged leaves within this many steps
LONGEST_CHUNK = 100


class Chunk(NamedTuple):
    """Steps ``start`` .. ``stop - 1``.

    Attributes:
        start: the first.
        stop: one after the last.
        records: which are recorded.
        evaluate: whether to evaluate before the first.
        following: steps of the next chunk; 0 after the last.
    """

    start: int
    stop: int
    records: tuple[int, ...]
    evaluate: bool
    following: int


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

    >>> for chunk in plan(10, 4, 2):
    ...     print(tuple(chunk))
    (0, 5, (0, 4), True, 5)
    (5, 10, (8,), True, 0)
    """
    every = record_every or max(1, max_steps)
    evaluated = {max_steps * e // evaluations for e in range(evaluations)}
    if max_steps == 0:
        return Plan((Chunk(0, 0, (), False, 0),))
    cuts = sorted({0, *evaluated, *range(0, max_steps, LONGEST_CHUNK)} | {max_steps})
    return Plan(
        tuple(
            Chunk(
                start,
                stop,
                # the multiples of ``every`` from ``start`` on
                records=tuple(range(-(-start // every) * every, stop, every)),
                evaluate=start in evaluated,
                following=after - stop,
            )
            for start, stop, after in zip(cuts, cuts[1:], [*cuts[2:], max_steps], strict=False)
        )
    )
