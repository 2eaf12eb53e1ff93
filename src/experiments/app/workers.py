"""Several processes in parallel: a stack of small networks keeps only one core busy."""

import importlib
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypeVar

from experiments.app.imports import uncollected

log = logging.getLogger(__name__)

Work = TypeVar("Work")
Result = TypeVar("Result")

#: seconds of work from which starting processes, whose imports take seconds, saves time
WORTHWHILE = 15.0


def in_order_of_completion(
    function: Callable[[Work], Result],
    pieces: Sequence[Work],
    workers: int,
) -> Iterator[tuple[Work, Result]]:
    """Every piece of work with its result, in order of completion.

    Args:
        function: importable by name, its argument and result picklable.
        pieces: of work.
        workers: number of processes; 1 runs everything in this process.

    When a worker dies (killed, out of memory), the pool stops; unfinished pieces are then run in this
    process, one by one. So is the piece of a worker that was told to end.
    """
    if workers == 1:
        for piece in pieces:
            yield piece, function(piece)
        return
    left = dict(enumerate(pieces))
    # spawn: a forked child would inherit torch's threads in an unknown state
    context = multiprocessing.get_context("spawn")
    try:
        begin = partial(_begin, function.__module__)
        with ProcessPoolExecutor(workers, context, begin) as pool:
            try:
                futures = {pool.submit(function, piece): k for k, piece in left.items()}
                for future in as_completed(futures):
                    try:
                        result = future.result()
                    except SystemExit:  # the worker was told to end
                        continue
                    piece = left.pop(futures[future])
                    yield piece, result
            except KeyboardInterrupt:
                for process in multiprocessing.active_children():
                    process.terminate()  # the pool would wait until they are done
                raise
    except BrokenProcessPool:
        pass  # what is left is said and done below
    if left:
        log.warning("a worker process ended; pieces run in this process: %d", len(left))
    for piece in left.values():
        yield piece, function(piece)


def workers_for(seconds: float) -> int:
    """Number of processes for work that takes one core so long: one per core, or just one."""
    return _usable_cores() if seconds > WORTHWHILE else 1


def _begin(module: str) -> None:
    """Initialise a worker process."""
    _end_with_parent()
    with uncollected():
        importlib.import_module(module)


def _end_with_parent() -> None:
    """Exit when the parent process is gone, so that a killed sweep leaves no workers behind."""
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
