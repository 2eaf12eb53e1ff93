"""Several processes side by side: a stack of small networks keeps one core busy, not more."""

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

#: seconds of work from which starting processes, which import for seconds, saves time
WORTHWHILE = 15.0


def in_order_of_completion(
    function: Callable[[Work], Result],
    pieces: Sequence[Work],
    workers: int,
) -> Iterator[tuple[Work, Result]]:
    """Every piece with what ``function`` made of it, as they come.

    Args:
        function: importable by name, its argument and result picklable.
        pieces: of work.
        workers: processes; with 1 everything happens in this one.

    A process that dies (killed, out of memory) takes the others' unfinished pieces with it; those
    are then run here, one by one.
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
                    result = future.result()
                    piece = left.pop(futures[future])
                    yield piece, result
            except KeyboardInterrupt:
                for process in multiprocessing.active_children():
                    process.terminate()  # the pool would wait for what they are at
                raise
    except BrokenProcessPool:
        log.warning("a worker process died; %d pieces are run in this process", len(left))
        for piece in left.values():
            yield piece, function(piece)


def workers_for(seconds: float) -> int:
    """Processes that work of so many seconds on one core is worth: one per core, or one in all."""
    return _usable_cores() if seconds > WORTHWHILE else 1


def _begin(module: str) -> None:
    """What a new process does before its first piece."""
    _end_with_parent()
    with uncollected():
        importlib.import_module(module)


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
