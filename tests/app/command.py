"""The command line in this process: what a user would type, and what comes back."""

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from experiments.app import callbacks
from experiments.app import train as door
from experiments.app.report import has_failed
from experiments.reporting.collect import collect

#: small, fast, and writes nothing but what a test looks at
TINY = (
    "data=rings",
    "data.examples=60",
    "data.noise=0.1",
    "model.depth=1",
    "model.width=4",
    "trainer=cpu",
    "trainer.max_steps=4",
    "trainer.batch_size=8",
    "trainer.evaluations=2",
    "logger=none",
)


@dataclass(frozen=True)
class Answer:
    """Exit status and everything that was printed."""

    status: int
    out: str
    err: str


def train(*arguments: str, report: bool = False) -> Answer:
    """``python scripts/train.py ARGUMENTS`` without a new interpreter.

    Args:
        arguments: of the command line.
        report: write the report too; otherwise the tables alone, which takes a tenth of the time.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        _logging_restored(),
        patch.object(sys, "argv", ["scripts/train.py", *arguments]),
        patch.object(door, "finish", door.finish if report else _tables),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            door.main()
        except SystemExit as leaving:
            status = _status_of(leaving, err)
        else:
            status = 0
        finally:
            callbacks.started.clear()  # as a process that ends forgets it
    return Answer(status, out.getvalue(), err.getvalue())


def _tables(folder: Path, since: float) -> int:
    return int(has_failed(folder, collect(folder).results, since))


def _status_of(leaving: SystemExit, err: io.StringIO) -> int:
    """What the interpreter would make of it: a text is printed and counts as 1."""
    if isinstance(leaving.code, str):
        err.write(leaving.code)
        return 1
    return leaving.code or 0


@contextlib.contextmanager
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
