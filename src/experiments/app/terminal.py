"""What the terminal shows of a report: the verdicts, the head of the first table, how the cells ended."""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from pandas import DataFrame

from experiments.core.study import Findings, Study
from experiments.reporting.account import cell_table
from experiments.reporting.collect import Collection
from experiments.studies.reading.verdicts import counted

#: rows, errors and unreadable entries that are shown
HEAD = 10
#: columns up to a verdict's sentence
MARGIN = 13
#: where the output is not a terminal, nothing is wrapped or left out
UNLIMITED = (10_000, 24)


def show(study: Study, findings: Findings, collection: Collection) -> None:
    """Print a study's findings, fitted to the terminal's width, and what was left out of its tables.

    Args:
        study: whose question is answered.
        findings: the answer.
        collection: the tables it was read from.
    """
    results, holes = collection.results, collection.holes
    width = shutil.get_terminal_size(UNLIMITED).columns
    print("\n" + textwrap.fill(study.question, width) + "\n")
    for verdict in findings.verdicts:
        print(wrapped(f"{verdict.outcome:>{MARGIN - 2}}  ", verdict.sentence, width))
    print()
    print(fitted(findings.tables[0].frame if findings.tables else cell_table(results), width))
    endings = ", ".join(f"{n} {status}" for status, n in results["status"].value_counts().items())
    print(f"\n{counted(len(results), 'cell')}: {endings}")
    for error in results["error"].dropna().unique()[:HEAD]:
        print(f"  {error}")
    for hole in holes[:HEAD]:
        print(f"left out: {hole.name}: {hole.reason}")
    if len(holes) > HEAD:
        print(f"left out: {len(holes) - HEAD} more, all named in the report")


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Let whoever reads the output stop doing so, as ``| head`` does; the rest of it goes nowhere."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered would raise again when Python exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def wrapped(head: str, sentence: str, width: int) -> str:
    """A sentence behind its head, with a hanging indent; intervals are not broken.

    Example:
        >>> print(wrapped("measured  ", "The mean over seeds is 0.5 [0.4, 0.6].", 36))
        measured  The mean over seeds is 0.5
                  [0.4, 0.6].
    """
    unbroken = re.sub(r"\[[^][]*\]", lambda interval: interval[0].replace(" ", "\xa0"), sentence)
    lines = textwrap.wrap(unbroken, max(width - len(head), MARGIN))
    return head + ("\n" + " " * len(head)).join(lines).replace("\xa0", " ")


def fitted(table: DataFrame, width: int) -> str:
    """The first rows, and as many of the first columns as fit; what is left out is counted.

    Example:
        >>> table = DataFrame({"depth": range(12), "accuracy": 0.5, "a third column": 1.0})
        >>> print(fitted(table.head(2), 40))
         depth  accuracy  a third column
             0       0.5               1
             1       0.5               1
        >>> fitted(table, 20).splitlines()[-1]
        '... 2 more rows and 1 more column in the report'
    """
    shown = len(table.columns)
    text = _plain(table)
    while shown > 1 and max(map(len, text.splitlines())) > width:
        shown -= 1
        text = _plain(table.iloc[:, :shown])
    left_out = [
        counted(count, f"more {what}")
        for count, what in ((len(table) - HEAD, "row"), (len(table.columns) - shown, "column"))
        if count > 0
    ]
    return "\n".join([text, *([f"... {' and '.join(left_out)} in the report"] if left_out else [])])


def _plain(table: DataFrame) -> str:
    text: str = table.head(HEAD).to_string(
        index=False, float_format=lambda x: f"{x:.4g}", na_rep="-"
    )
    return text
