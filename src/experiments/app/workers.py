"""Several processes side by side: a stack of small networks keeps one core busy, not more."""

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

log = logging.getLogger(__name__)

Work = TypeVar("Work")
Result = TypeVar("Result")

#: with fewer pieces a process, starting processes (seconds each) costs more than it saves
WORTHWHILE = 6


def in_order_of_completion(
    function: Callable[[Work], Result],
    pieces: Sequence[Work],
    workers: int | None,
    on_gpu: bool = False,
) -> Iterator[tuple[Work, Result]]:
    """Every piece with what ``function`` made of it, as they come.

    Args:
        function: importable by name, its argument and result picklable.
        pieces: of work.
        workers: processes; None takes one per core where there are pieces enough, 1 none at all.
        on_gpu: one device is one worker's, whatever is asked for.

    A process that dies (killed, out of memory) takes the others' unfinished pieces with it; those
    are then run here, one by one.
    """
    count = _usable_cores() if workers is None else workers
    if workers is None and len(pieces) < WORTHWHILE * count:
        count = 1
    if count == 1 or on_gpu:
        for piece in pieces:
            yield piece, function(piece)
        return
    left = dict(enumerate(pieces))
    # spawn: a forked child would inherit torch's threads in an unknown state
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(count, context, _end_with_parent) as pool:
            futures = {pool.submit(function, piece): k for k, piece in left.items()}
            for future in as_completed(futures):
                result = future.result()
                piece = left.pop(futures[future])
                yield piece, result
    except BrokenProcessPool:
        log.warning("a worker process died; %d pieces are run in this process", len(left))
        for piece in left.values():
            yield piece, function(piece)


def _end_with_parent() -> None:
    """Leave when the process that hands out work is gone: a killed sweep leaves nobody behind."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
