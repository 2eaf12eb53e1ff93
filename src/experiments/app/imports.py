"""Keep the garbage collector out of the way of imports that take seconds."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch garbage collection off inside; on leaving, exempt all objects that exist by then.

    The imports create a million objects that live as long as the process. Scanning them, during the
    imports and in every full collection later, took a third of a short run's time.

    >>> with uncollected():
    ...     gc.isenabled()
    False
    >>> gc.isenabled(), gc.get_freeze_count() > 0
    (True, True)
    """
    gc.disable()
    try:
        yield
    finally:
        _freeze_once()
        gc.enable()


@cache
def _freeze_once() -> None:
    """Only the first call freezes: a later one would keep the garbage of the jobs in between.

    Asking ``gc.get_freeze_count`` instead walks a list of a million objects.
    """
    gc.freeze()
