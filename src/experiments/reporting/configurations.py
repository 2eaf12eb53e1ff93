"""Cells that differ only by seed are one configuration: which axes vary, and how to name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pandas import DataFrame

from experiments.reporting.collect import FIRST, LAST

SEED = "seed"
#: groups that watch a network and leave it as it is
WATCHING = ("probe", "metric")


def axis_columns(results: DataFrame) -> list[str]:
    """The axes of a results table: its config keys, which unlike metrics have no slash.

    >>> axis_columns(DataFrame(columns=["cell", "status", "loss", "seed", "val/loss", "seconds"]))
    ['loss', 'seed']
    """
    return [str(key) for key in results if "/" not in key and key not in {*FIRST, *LAST}]


def varying_axes(results: DataFrame) -> list[str]:
    """Axes other than the seed that tell configurations apart, option names before their settings.

    An axis that says nothing new is left out: initializer.sigma_w, where it follows the initializer,
    and data.seed, where it follows the seed.
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
        now = results.groupby([*chosen, key], dropna=False).ngroups
        if now > groups:
            chosen.append(key)
            groups = now
    return chosen


def riders(results: DataFrame, axes: Sequence[str]) -> list[str]:
    """Settings that change along with the axes, so that a difference may be theirs.

    A run of more steps at one depth alone, an initializer of its own for every activation. Not those
    that an option brings with it (initializer.sigma_w), nor sizes that follow from other sizes.

    >>> seeds = DataFrame({"model.depth": [2, 4, 8], "trainer.max_steps": [300, 300, 20]})
    >>> riders(seeds, ["model.depth"])
    ['trainer.max_steps']
    """
    found = []
    for key in axis_columns(results):
        group, _, leaf = key.partition(".")
        if key in {SEED, *axes} or group in WATCHING or results[key].nunique(dropna=False) < 2:
            continue
        near = [axis for axis in axes if short(axis) == short(key)]
        own = [group] if leaf and group in results else []
        if group == "model":
            own = [axis for axis in axes if axis.startswith("model.")]
        if not (_follows(results, key, [*own, *near]) or _follows_seed(results, key)):
            found.append(key)
    return found


def _follows(results: DataFrame, key: str, others: Sequence[str]) -> bool:
    """Whether one column has one value for all rows that agree in others."""
    if not others:
        return False
    counts = results.groupby([*others], dropna=False)[key].nunique(dropna=False)
    return bool((counts == 1).all())


def _follows_seed(results: DataFrame, key: str) -> bool:
    """Whether another stream's seed is tied to the run's own."""
    return key.endswith(f".{SEED}") and SEED in results and _follows(results, key, [SEED])


def short(key: str) -> str:
    """A config key as a heading: its last part, in words.

    >>> short("model.depth"), short("optimizer.lr"), short("activation")
    ('depth', 'lr', 'activation')
    """
    return key.rsplit(".", 1)[-1].replace("_", " ")


def headings(keys: Sequence[str]) -> list[str]:
    """Short names of several axes side by side; the whole key where two would share one.

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
    """A setting as a reader writes it.

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
    """One setting of the varying axes and the rows (one a seed) that have it."""

    values: tuple[Any, ...]
    label: str
    rows: DataFrame


def configurations(results: DataFrame, axes: Sequence[str]) -> list[Configuration]:
    """Group the rows by ``axes``, in the order of their values; one nameless group without axes."""
    if not axes:
        return [Configuration((), "all seeds", results)] if len(results) else []
    return [
        Configuration(values, _label(axes, values), rows)
        for values, rows in results.groupby(list(axes), dropna=False, sort=True)
    ]


def _label(axes: Sequence[str], values: Sequence[Any]) -> str:
    """Options speak for themselves; a number needs its name beside it."""
    return " · ".join(
        text(value) if isinstance(value, str) else f"{name} {text(value)}"
        for name, value in zip(headings(axes), values, strict=True)
    )
