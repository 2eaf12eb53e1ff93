"""When a run pauses: training is cut into chunks between the steps at which something is looked at."""

from dataclasses import dataclass

#: steps between two looks at the losses, at most: a run that diverged leaves within so many steps
LONGEST_CHUNK = 100


@dataclass(frozen=True)
class Chunk:
    """Steps ``start`` .. ``stop - 1``, and what is looked at before the first of them."""

    start: int
    stop: int
    record: bool
    evaluate: bool


def chunks(max_steps: int, record_every: int | None, evaluations: int) -> list[Chunk]:
    """Cut ``max_steps`` steps at every record, every evaluation, and every LONGEST_CHUNK steps.

    The state after the last step is not in the list: it is always recorded and evaluated.

    >>> [(c.start, c.stop, c.record, c.evaluate) for c in chunks(10, 4, 2)]
    [(0, 4, True, True), (4, 5, True, False), (5, 8, False, True), (8, 10, True, False)]
    """
    records = set(range(0, max_steps, record_every)) if record_every else {0}
    evaluated = {max_steps * e // evaluations for e in range(evaluations)}
    if max_steps == 0:
        return [Chunk(0, 0, False, False)]
    cuts = sorted({0, *records, *evaluated, *range(0, max_steps, LONGEST_CHUNK)} | {max_steps})
    return [
        Chunk(start, stop, start in records, start in evaluated)
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True)
    ]
