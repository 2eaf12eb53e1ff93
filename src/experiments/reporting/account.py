"""The account of a sweep: how its cells ended, what varied, what stayed fixed, and the versions used."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from pandas import DataFrame

from experiments.reporting.collect import LAST, Collection
from experiments.reporting.configurations import SEED, axis_columns, text, varying_axes

#: how many names a line lists before it says "and n more"
NAMED = 6
_OBJECT = re.compile(r'\{"_target_": "[\w.]*?(\w+)"\}')


@dataclass(frozen=True)
class Account:
    """What the report says about the cells themselves.

    Args:
        counts: number of cells of each status, and of those without a row.
        reasons: why cells diverged, failed or gave no row: (kind, reason, which cells).
        varied: axes that distinguish configurations, and their values.
        fixed: settings that all cells share, or that follow from an axis.
        seeds: the seeds, as text.
        versions: of the software that ran the cells.
        facts: device, precision and the like.
        seconds: computing time of all cells together, evaluation included.
    """

    counts: dict[str, int]
    reasons: list[tuple[str, str, str]]
    varied: list[tuple[str, str]]
    fixed: list[tuple[str, str]]
    seeds: str
    versions: str
    facts: str
    seconds: float


def account(collection: Collection) -> Account:
    """The account of the collected tables."""
    results = collection.results
    statuses = results["status"].value_counts().to_dict()
    counts = {name: int(statuses.get(name, 0)) for name in ("finished", "diverged", "failed")}
    torn = [hole for hole in collection.holes if hole.name not in set(results["cell"])]
    if torn:
        counts["no row"] = len(torn)
    varying = varying_axes(results)
    others = [key for key in axis_columns(results) if key not in (SEED, *varying)]
    return Account(
        counts=counts,
        reasons=[*_reasons(results), *_holes(collection)],
        varied=[(key, _values(results, key)) for key in varying],
        fixed=[(key, _setting(results, key)) for key in others],
        seeds=_values(results, SEED) if SEED in results else "–",
        versions=_noted(results, "versions"),
        facts=_noted(results, "facts"),
        seconds=float(results["seconds"].sum()),
    )


def cell_table(results: DataFrame) -> DataFrame:
    """One row per cell: its status, the axes that vary, its seed, and every metric that was measured."""
    axes = [*varying_axes(results), *([SEED] if SEED in results else [])]
    metrics = [key for key in results if "/" in key and results[key].notna().any()]
    last = [key for key in LAST[:3] if results[key].notna().any()]
    return results[["cell", "status", *axes, *metrics, *last]]


def _reasons(results: DataFrame) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    diverged = results[results["status"] == "diverged"]
    if len(diverged):
        steps = diverged["diverged_at"].dropna()
        when = (
            f"not finite from step {steps.min():g} to {steps.max():g}"
            if len(steps)
            else "not finite"
        )
        found.append(("diverged", when, _named(list(diverged["cell"]))))
    failed = results[results["status"] == "failed"]
    for error, rows in failed.groupby(failed["error"].fillna("no error line"), sort=True):
        found.append(("failed", str(error), _named(list(rows["cell"]))))
    return found


def _holes(collection: Collection) -> list[tuple[str, str, str]]:
    rows = set(collection.results["cell"])
    by_reason: dict[tuple[str, str], list[str]] = {}
    for hole in collection.holes:
        kind = "no ledger" if hole.name in rows else "no row"
        by_reason.setdefault((kind, hole.reason), []).append(hole.name)
    return [(kind, reason, _named(names)) for (kind, reason), names in sorted(by_reason.items())]


def _named(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _values(results: DataFrame, key: str) -> str:
    values = [text(value) for value in sorted(results[key].dropna().unique())]
    if len(values) > 12:
        values = [*values[:10], f"… ({len(values)} values)", values[-1]]
    missing = results[key].isna().any()
    return ", ".join([*values, "not set"] if missing else values)


def _setting(results: DataFrame, key: str) -> str:
    """A setting as in the config, objects by their class; all its values if it follows an axis."""
    if results[key].nunique(dropna=False) > 1:
        return _values(results, key)
    value = results[key].iloc[0]
    return _OBJECT.sub(r"\1", value) if isinstance(value, str) else text(value)


def _noted(results: DataFrame, column: str) -> str:
    """A column of JSON objects, summarised key by key; where cells differ, with their numbers."""
    noted: dict[str, Counter[str]] = {}
    for held, count in results[column].value_counts().items():
        for key, value in json.loads(str(held)).items():
            noted.setdefault(key, Counter())[_brief(value)] += int(count)
    return ", ".join(f"{key.replace('_', ' ')} {_counted(c)}" for key, c in sorted(noted.items()))


def _brief(value: object) -> str:
    """A fact in short; equal neighbours in a list are counted.

    >>> _brief([64, 32, 32, 32, 10]), _brief("float32"), _brief(8)
    ('64, 32 × 3, 10', 'float32', '8')
    """
    if not isinstance(value, list):
        return str(value)
    runs = [(item, len(list(same))) for item, same in groupby(value)]
    return ", ".join(f"{item}" + (f" × {count}" if count > 1 else "") for item, count in runs)


def _counted(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return " or ".join(f"{value} ({count} cells)" for value, count in sorted(values.items()))
