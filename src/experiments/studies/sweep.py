"""Sweep: what did these cells do? The study of a single run or of any product of axes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.core.study import Figure, Findings, Study, Table, Verdict
from experiments.reporting.configurations import (
    Configuration,
    configurations,
    metric_name,
    riders,
    short,
    text,
    varying_axes,
)
from experiments.reporting.figures import (
    Axis,
    Curve,
    Panel,
    against_axis,
    depth_profile,
    learning_curves,
)
from experiments.reporting.intervals import mean_interval, slope_interval
from experiments.reporting.powers import power_interval
from experiments.reporting.profiles import at_step, layers_of
from experiments.reporting.summary import main_metric, metric_interval, seed_values, summarise
from experiments.studies.reading.curves import learning_curve
from experiments.studies.reading.grouping import present
from experiments.studies.reading.verdicts import capitalised, counted, listed, over
from experiments.studies.sweep_diagnosis import as_table, diagnoses_of, in_words

#: a figure with more lines than this cannot be read
LINES = 8
PANELS = 4
#: a setting without a value, as a config writes it
NULL = "null"
FIRST_LAYER = "log10 ‖δ‖, first layer"
GAIN = "gain a layer"


@final
class Sweep(Study):
    """Shows what is there: the table, the depth profile, the metric against each axis that varies."""

    question: ClassVar[str] = "What did these runs do, and where does their gradient go?"
    claim: ClassVar[str] = ""  # a sweep measures, and claims nothing in advance
    refuted_by: ClassVar[str] = ""

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        axes = varying_axes(results)
        groups = configurations(results, axes)
        metric = main_metric(results)
        start = at_step(ledger, 0)
        first, gain = _gradients(groups, start)
        numbers: dict[str, Sequence[Interval]] = {}
        if metric is not None:
            numbers[metric_name(metric)] = [metric_interval(group.rows, metric) for group in groups]
        if any(interval.seeds for interval in first):
            numbers |= {FIRST_LAYER: first, GAIN: gain}
        table = Table(
            "Configurations",
            "Means over seeds with their intervals. Gain a layer: ‖δ‖ of a hidden layer over "
            "that of the layer above it, fitted at initialisation; below 1 the gradient vanishes.",
            summarise(groups, axes, numbers),
        )
        figures = [*_profiles(groups, start, first), *_against(results, axes, metric)]
        figures += _histories(groups, folder, metric, first)
        symptoms = diagnoses_of(groups, ledger)
        recorded = len(ledger) > 0
        return Findings(
            (*_verdicts(results, axes, groups, numbers, metric), *in_words(symptoms, recorded)),
            (table, *as_table(symptoms)),
            tuple(figures),
        )


def _gradients(
    groups: Sequence[Configuration], start: DataFrame
) -> tuple[list[Interval], list[Interval]]:
    """At initialisation: log10 norm at the first layer, and the factor from layer to layer."""
    first, gain = [], []
    for group in groups:
        layers, values = layers_of(start, list(group.rows["cell"]))
        first.append(mean_interval(values[:, 0] if len(layers) else np.empty(0)))
        hidden = slice(0, max(len(layers) - 1, 0))  # the output layer has its own width and rule
        slope = slope_interval(layers[hidden].astype(np.float64), values[:, hidden])
        gain.append(slope.map(lambda rise: float(10.0**-rise)))
    return first, gain


def _verdicts(
    results: DataFrame,
    axes: Sequence[str],
    groups: Sequence[Configuration],
    numbers: dict[str, Sequence[Interval]],
    metric: str | None,
) -> tuple[Verdict, ...]:
    count = results["status"].value_counts()
    endings = ", ".join(f"{n} {status}" for status, n in count.items())
    cells, settings = counted(len(results), "cell"), counted(len(groups), "configuration")
    sentences = [f"{cells} in {settings}: {endings}."]
    sentences += _other_differences(results, axes)
    if metric is not None:
        sentences += _extremes(groups, numbers[metric_name(metric)], metric_name(metric), str)
    if FIRST_LAYER in numbers:
        sentences += _extremes(
            groups,
            numbers[FIRST_LAYER],
            "the first layer's gradient norm at initialisation",
            power_interval,
        )
        sentences += _extremes(groups, numbers[GAIN], "the gradient's gain a layer", str)
    return tuple(Verdict(sentence, "measured") for sentence in sentences)


def _other_differences(results: DataFrame, axes: Sequence[str]) -> list[str]:
    """A warning where settings differ besides the axes: a folder may hold cells of several sweeps."""
    settings = []
    for key in riders(results, axes):
        values = results[key].drop_duplicates()
        order = values.sort_values() if values.dtype.kind in "if" else values
        settings.append(f"{key} ({', '.join(map(text, order))})")
    if not settings:
        return []
    differ = "differs" if len(settings) == 1 else "differ"
    return [
        f"Besides {listed([short(key) for key in axes])}, {listed(settings)} {differ} too: what one "
        "configuration has over another may come from there. Give a sweep of other settings a name of "
        "its own (name=...)."
    ]


def _extremes(
    groups: Sequence[Configuration],
    values: Sequence[Interval],
    name: str,
    written: Callable[[Interval], str],
) -> list[str]:
    """One sentence: the value, or its range and the configurations at both ends."""
    name = capitalised(name)
    known = [(value, group) for value, group in zip(values, groups, strict=True) if value.seeds]
    if not known:
        lost = any(value.left_out for value in values)
        why = "no configuration has a finite value" if lost else "nothing to measure it from"
        return [f"{name}: {why}."] if groups else []
    least, least_at = min(known, key=lambda pair: pair[0].value)
    most, most_at = max(known, key=lambda pair: pair[0].value)
    if least_at is most_at:
        return [f"{name}: {written(least)}."]
    ends = f"{written(least)} ({least_at.label}) to {written(most)} ({most_at.label})"
    return [f"{name} runs from {ends}."]


def _chosen(groups: Sequence[Configuration], first: Sequence[Interval]) -> list[Configuration]:
    """At most LINES configurations, evenly spaced from the weakest to the strongest gradient.

    They keep the order of the table, so that the legend has it too.
    """
    order = sorted(range(len(groups)), key=lambda k: np.nan_to_num(first[k].value, nan=-np.inf))
    picked = np.unique(np.linspace(0, len(order) - 1, min(LINES, len(order))).round().astype(int))
    return [groups[k] for k in sorted(order[place] for place in picked)]


def _shown(shown: int, total: int) -> str:
    """A sentence for the caption where not every configuration is drawn."""
    if shown == total:
        return ""
    return f" Shown: {shown} of {total} configurations, evenly spaced from weakest to strongest."


def _profiles(
    groups: Sequence[Configuration], start: DataFrame, first: Sequence[Interval]
) -> list[Figure]:
    chosen = _chosen(groups, first)
    curves = []
    for group in chosen:
        layers, values = layers_of(start, list(group.rows["cell"]))
        if len(layers):
            curves.append(Curve(group.label, layers.astype(np.float64), list(values.T)))
    if not curves:
        return []
    caption = "Norm of δ = dC/dz of each layer before training; l = 2 is the first with weights."
    caption += _shown(len(chosen), len(groups))
    panels = [Panel("", tuple(curves))]
    return [depth_profile(panels, "Depth profile of the gradient at initialisation", caption)]


def _against(results: DataFrame, axes: Sequence[str], metric: str | None) -> list[Figure]:
    """One figure for every axis with more than one value; null is a value too."""
    if metric is None:
        return []
    rows = over(results)
    along = [key for key in axes if rows[key].nunique(dropna=False) > 1]
    return [_metric_against(rows, axes, key, metric) for key in along]


def _metric_against(results: DataFrame, axes: Sequence[str], key: str, metric: str) -> Figure:
    """The metric along one axis: a line for each value of a second, a panel for each of a third.

    Further axes are pooled, and the caption says so. Where some cells have null, the axis has no
    numerical scale: its values are then drawn as names, null last.
    """
    others = [other for other in axes if other != key]
    lines = [other for other in others if results[other].nunique(dropna=False) <= LINES][:1]
    panels_by = [
        other
        for other in others
        if other not in lines and results[other].nunique(dropna=False) <= PANELS
    ][:1]
    unset = results[key].isna()
    numeric = results[key].dtype.kind in "if" and not unset.any()
    values = sorted(results[key].dropna().unique())
    names = () if numeric else (*map(text, values), *([NULL] if unset.any() else []))
    if unset.any():
        values.append(None)
    x = np.array(values if numeric else range(len(values)), np.float64)
    panels = []
    for panel in configurations(results, panels_by):
        curves = []
        for group in configurations(panel.rows, lines):
            seeds = [seed_values(_having(group.rows, key, value), metric) for value in values]
            curves.append(Curve(group.label, x, seeds))
        panels.append(Panel(panel.label if panels_by else "", tuple(curves)))
    pooled = [short(other) for other in others if other not in [*lines, *panels_by]]
    caption = f"{capitalised(metric_name(metric))} at the end of training."
    if pooled:
        caption += f" Pooled in every line: {', '.join(pooled)}."
    spread = numeric and bool(x.min() > 0 and x.max() / x.min() > 100)
    axis = Axis(short(key), names=names, logarithmic=spread)
    title = f"{capitalised(metric_name(metric))} against {short(key)}"
    return against_axis(panels, axis, Axis(metric_name(metric)), title, caption)


def _having(rows: DataFrame, key: str, value: Any) -> DataFrame:
    return rows[rows[key].isna() if value is None else rows[key] == value]


def _histories(
    groups: Sequence[Configuration],
    folder: Path,
    metric: str | None,
    first: Sequence[Interval],
) -> list[Figure]:
    if metric is None:
        return []
    chosen = _chosen(groups, first)
    drawn = present(
        *(learning_curve(group.label, list(group.rows["cell"]), metric, folder) for group in chosen)
    )
    curves = tuple(curve for curve in drawn if len(curve.x) > 1)
    if not curves:
        return []
    name = metric_name(metric)
    caption = f"{capitalised(name)} during training." + _shown(len(chosen), len(groups))
    title = f"{capitalised(name)} while training"
    return [learning_curves([Panel("", curves)], name, title, caption)]
