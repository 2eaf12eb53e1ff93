"""Cells that differ only in their seed form one configuration: which axes vary, and their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pandas import DataFrame

from experiments.reporting.collect import FIRST, LAST

SEED = "seed"
#: groups that observe a network without changing it
OBSERVING = ("probe", "metric")


def axis_columns(results: DataFrame) -> list[str]:
    """The axes of a results table: its config keys, which have no slash (metrics do).

    >>> axis_columns(DataFrame(columns=["cell", "status", "loss", "seed", "val/loss", "seconds"]))
    ['loss', 'seed']
    """
    return [str(key) for key in results if "/" not in key and key not in {*FIRST, *LAST}]


def varying_axes(results: DataFrame) -> list[str]:
    """Axes other than the seed that distinguish configurations, option names before their settings.

    Redundant axes are left out: initializer.sigma_w if it follows from the initializer, data.seed if it
    follows from the seed.
    """
    candidates = [
        key
        for key in axis_columns(results)
        if key != SEED
        and results[key].nunique(dropna=False) > 1
        and not _follows_seed(results, key)
    ]
    # Options first (no dot), then the network's shape, then everything else.
    candidates.sort(key=lambda key: (key.count("."), not key.startswith("model."), key))
    chosen: list[str] = []
    groups = 1
    for key in candidates:
        finer = results.groupby([*chosen, key], dropna=False).ngroups
        if finer > groups:
            chosen.append(key)
            groups = finer
    return chosen


def riders(results: DataFrame, axes: Sequence[str]) -> list[str]:
    """Settings that change along with the axes and may therefore cause the differences seen.

    For instance more steps at one depth only, or another initializer for every activation. Settings that
    belong to an option (initializer.sigma_w) and sizes that follow from other sizes are not riders.

    >>> seeds = DataFrame({"model.depth": [2, 4, 8], "trainer.max_steps": [300, 300, 20]})
    >>> riders(seeds, ["model.depth"])
    ['trainer.max_steps']
    """
    found = []
    for key in axis_columns(results):
        group, _, leaf = key.partition(".")
        if key in {SEED, *axes} or group in OBSERVING or results[key].nunique(dropna=False) < 2:
            continue
        same_name = [axis for axis in axes if short(axis) == short(key)]
        causes = [group] if leaf and group in results else []
        if group == "model":
            causes = [axis for axis in axes if axis.startswith("model.")]
        if not (_follows(results, key, [*causes, *same_name]) or _follows_seed(results, key)):
            found.append(key)
    return found


def _follows(results: DataFrame, key: str, others: Sequence[str]) -> bool:
    """Whether rows that agree in the other columns agree in this one."""
    if not others:
        return False
    counts = results.groupby([*others], dropna=False)[key].nunique(dropna=False)
    return bool((counts == 1).all())


def _follows_seed(results: DataFrame, key: str) -> bool:
    """Whether this is another seed that is determined by the run's own."""
    return key.endswith(f".{SEED}") and SEED in results and _follows(results, key, [SEED])


def short(key: str) -> str:
    """A config key as a heading: its last part, in words.

    >>> short("model.depth"), short("optimizer.lr"), short("activation")
    ('depth', 'lr', 'activation')
    """
    return key.rsplit(".", 1)[-1].replace("_", " ")


def headings(keys: Sequence[str]) -> list[str]:
    """Short names of several axes; the whole key where two short names would be equal.

    >>> headings(["model.depth", "data.noise"]), headings(["data.sigma_w", "initializer.sigma_w"])
    (['depth', 'noise'], ['data.sigma_w', 'initializer.sigma_w'])
    """
    names = [short(key) for key in keys]
    return [name if names.count(name) == 1 else key for key, name in zip(keys, names, strict=True)]


def metric_name(key: str) -> str:
    """A metric in words.

    >>> metric_name("val/accuracy"), metric_name("train/loss"), metric_name("val/brier_score")
    ('validation accuracy', 'training loss', 'validation brier score')
    """
    split, _, what = key.partition("/")
    split = {"val": "validation", "train": "training"}.get(split, split)
    return f"{split} {what}".replace("_", " ").strip()


def text(value: Any) -> str:
    """A setting as text.

    >>> text("half_squared_error"), text(20.0), text(0.01), text(float("nan"))
    ('half squared error', '20', '0.01', '-')
    """
    if isinstance(value, str):
        return value.replace("_", " ")
    if value is None or value != value:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Configuration:
    """One combination of values of the varying axes, and its rows (one per seed)."""

    values: tuple[Any, ...]
    label: str
    rows: DataFrame


def configurations(results: DataFrame, axes: Sequence[str]) -> list[Configuration]:
    """Group the rows by ``axes``, sorted by value; without axes all rows are one group."""
    if not axes:
        return [Configuration((), "all seeds", results)] if len(results) else []
    return [
        Configuration(values, label(axes, values), rows)
        for values, rows in results.groupby(list(axes), dropna=False, sort=True)
    ]


def label(axes: Sequence[str], values: Sequence[Any], digits: Sequence[int] = ()) -> str:
    """Option names as they are; numbers with the name of their axis.

    Args:
        axes: config keys.
        values: one for each axis.
        digits: for each axis, to how many digits whole numbers are filled up with zeros.

    >>> label(["activation", "model.depth"], ["relu", 2])
    'relu · depth 2'
    >>> label(["activation", "model.depth"], ["relu", 2], digits=[0, 3])
    'relu · depth 002'
    >>> label(["model.width"], [float("nan")], digits=[3])
    'width -'
    """
    written = [text(value) for value in values]
    filled = [
        word.zfill(least) if word.isdigit() else word
        for word, least in zip(written, digits or [0] * len(values), strict=True)
    ]
    return " · ".join(
        word if isinstance(value, str) else f"{name} {word}"
        for name, value, word in zip(headings(axes), values, filled, strict=True)
    )
