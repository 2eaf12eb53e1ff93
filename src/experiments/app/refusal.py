"""A setting that is refused ends the program with one message."""

from collections.abc import Iterator
from contextlib import contextmanager

from experiments.core.errors import ConfigurationError


@contextmanager
def one_message() -> Iterator[None]:
    """Leave the process with ``Error: ...`` on stderr and exit status 1 where a setting is refused.

    Hydra would print a traceback of its own machinery around any exception; a request to leave
    passes through it.

    >>> with one_message():
    ...     raise ConfigurationError("found width=0")
    Traceback (most recent call last):
    SystemExit: Error: found width=0
    """
    try:
        yield
    except ConfigurationError as error:
        raise SystemExit(f"Error: {error}") from error
