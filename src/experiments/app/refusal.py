"""A refused setting ends the program with one message."""

from collections.abc import Iterator
from contextlib import contextmanager

from experiments.core.errors import ConfigurationError


@contextmanager
def one_message() -> Iterator[None]:
    """Turn a ConfigurationError into an exit with ``Error: ...`` on stderr and status 1.

    Hydra would print a traceback of its internals for any other exception, but lets SystemExit through.

    >>> with one_message():
    ...     raise ConfigurationError("found width=0")
    Traceback (most recent call last):
    SystemExit: Error: found width=0
    """
    try:
        yield
    except ConfigurationError as error:
        raise SystemExit(f"Error: {error}") from error
