"""A table as HTML: numbers aligned and rounded, every column sortable, everything escaped."""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape
from pandas import DataFrame

#: rows that are shown; a page with more is slow to open
ROWS = 2000
#: digits of a number in a table
DIGITS = 4


def number(value: Any) -> str:
    """A number as a table shows it, with at most DIGITS significant digits.

    >>> number(0.123456), number(20), number(20.0), number(float("-inf")), number(1.5e-12)
    ('0.1235', '20', '20', '−∞', '1.5e-12')
    """
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{DIGITS}g}"


def table_html(frame: DataFrame, wide: Sequence[str] = ()) -> Markup:
    """The frame as one ``<table>`` of at most ROWS rows, with a note on rows that are left out.

    Args:
        frame: the rows; its column names become headings.
        wide: columns of long text, which may wrap.
    """
    numeric = [frame[name].dtype.kind in "iuf" for name in frame]
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="n"') if right else "", name)
        for name, right in zip(frame.columns, numeric, strict=True)
    )
    kinds = [
        "n" if right else ("w" if name in wide else "")
        for name, right in zip(frame.columns, numeric, strict=True)
    ]
    body = Markup("\n").join(_row(row, kinds) for row in frame.head(ROWS).itertuples(index=False))
    table = Markup(
        '<div class="scroll"><table class="sortable"><thead><tr>{}</tr></thead>\n<tbody>{}</tbody>'
        "</table></div>"
    ).format(head, body)
    if len(frame) > ROWS:
        table += Markup(
            '<p class="note">{} more rows are not shown; results.parquet holds every cell.</p>'
        ).format(len(frame) - ROWS)
    return table


def _row(values: tuple[Any, ...], kinds: Sequence[str]) -> Markup:
    return Markup("<tr>{}</tr>").format(
        Markup("").join(_field(value, kind) for value, kind in zip(values, kinds, strict=True))
    )


def _field(value: Any, kind: str) -> Markup:
    if kind == "n":
        # The full number sorts; the short one is read.
        return Markup('<td class="n" data-v="{}">{}</td>').format(repr(value), number(value))
    missing = value is None or value != value
    shown = "–" if missing else value
    if isinstance(shown, str) and shown[:1] + shown[-1:] == "[]":
        shown = shown.replace(" ", "\N{NO-BREAK SPACE}")  # an interval is one word
    return Markup("<td{}>{}</td>").format(Markup(' class="w"') if kind else "", escape(shown))
