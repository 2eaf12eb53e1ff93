"""Curves over seeds: shared by all figures whose x axis shows numbers or options.

The line is the mean over seeds and the band the middle 80 % of them, or one number computed from all
seeds and its interval. Non-finite values are never dropped silently: the mean is then over the finite
seeds, and a cross with a count at the edge of the panel marks where the number of non-finite seeds
changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy import ndarray

from experiments.reporting.figures.canvas import (
    COLOURS,
    INK,
    MARKERS,
    WIDTH,
    name_below,
    sheet,
    style,
)
from experiments.reporting.figures.decades import tick_by_decades

BAND = (0.1, 0.9)
DASHES = (0, (4, 2.5))
#: width in points of a letter in the legend, and of the line before a name with its gaps
LETTER, HANDLE = 5.8, 48.0
#: a curve of more points than this is drawn without markers
MARKED = 24


@dataclass(frozen=True)
class Curve:
    """One line: the seeds' values at each x, and the theory's prediction, if there is one.

    Args:
        label: its name in the legend; the same label has the same colour in every panel.
        x: where it was measured.
        samples: the seeds' values at each x; points may have different numbers of seeds.
        predicted: the theory's value at each x, or at ``predicted_at``.
        predicted_at: where the prediction is evaluated, if not at x (for a bend between points).
        interval: lower and upper bounds of the band, in place of the middle 80 % of the seeds, for
            a number that is computed from all seeds together (a variance, a share).
    """

    label: str
    x: Float64[ndarray, " points"]
    samples: Sequence[Float64[ndarray, "_"]]
    predicted: Float64[ndarray, " asked"] | None = None
    interval: Float64[ndarray, "2 points"] | None = None
    predicted_at: Float64[ndarray, " asked"] | None = None


@dataclass(frozen=True)
class Panel:
    """One pair of axes; ``levels`` are horizontal reference lines, (name, height)."""

    title: str
    curves: tuple[Curve, ...]
    levels: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Axis:
    """What an axis of all panels shows.

    Args:
        label: its name with the unit.
        decades: whether the numbers are log10, to be written as powers of ten.
        names: tick names for x = 0, 1, ..., for an axis of options; points are then not joined.
        logarithmic: whether to space the numbers themselves by decades.
    """

    label: str
    decades: bool = False
    names: tuple[str, ...] = ()
    logarithmic: bool = False


def draw_panels(panels: Sequence[Panel], x: Axis, y: Axis, columns: int | None = None) -> Figure:
    """All panels on common scales, with one colour and marker per label, and one legend below."""
    columns = columns or min(len(panels), 4) or 1
    rows = -(-len(panels) // columns)
    width = WIDTH if columns > 1 else 0.72 * WIDTH
    labels = list(dict.fromkeys(curve.label for panel in panels for curve in panel.curves))
    with style():
        figure = sheet(width, 0.7 + rows * (2.9 if columns > 1 else 3.7))
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for panel, axes in zip(panels, grid.flat, strict=False):
            _draw(axes, panel, labels, joined=not x.names)
            _name_levels(axes, panel, beside=bool(x.names) and columns == 1)
            axes.set_title(panel.title)
        _scale(grid[0, 0], panels, x, y)
        for axes in grid[:, 0]:
            axes.set_ylabel(y.label)
        name_below(grid, len(panels), x.label)
        _legend(figure, panels, labels)
    return figure


def centre(
    samples: Sequence[Float64[ndarray, "_"]],
) -> tuple[Float64[ndarray, " points"], Float64[ndarray, "2 points"]]:
    """Mean and band over the finite seeds of each point; NaN if no seed is finite."""
    mean = np.full(len(samples), np.nan)
    band = np.full((2, len(samples)), np.nan)
    for k, column in enumerate(samples):
        finite = column[np.isfinite(column)]
        if len(finite):
            mean[k], band[:, k] = finite.mean(), np.quantile(finite, BAND)
    return mean, band


def _draw(axes: Axes, panel: Panel, labels: list[str], joined: bool) -> None:
    for _, level in panel.levels:
        axes.axhline(level, color=INK, lw=1.0, ls=(0, (1, 2)), alpha=0.8, zorder=1)
    for curve in panel.curves:
        rank = labels.index(curve.label)
        colour = COLOURS[rank % len(COLOURS)]
        # Shifted, so that the points of an option do not hide one another.
        shift = 0.0 if joined else 0.12 * (rank - (len(labels) - 1) / 2)
        mean, band = centre(curve.samples)
        band = band if curve.interval is None else curve.interval
        x = curve.x + shift
        if joined:
            axes.fill_between(x, band[0], band[1], color=colour, alpha=0.2, lw=0)
        else:
            axes.vlines(x, band[0], band[1], color=colour, lw=3, alpha=0.4)
        marks = _marker(rank, [curve])
        axes.plot(x, mean, color=colour, marker=marks, ls="-" if joined else "", zorder=3)
        if curve.predicted is not None:
            where = x if curve.predicted_at is None else curve.predicted_at
            axes.plot(where, curve.predicted, color=INK, ls=DASHES, lw=1.1, alpha=0.85, zorder=4)
        _mark_nonfinite(axes, curve, x, colour, rank)


def _name_levels(axes: Axes, panel: Panel, beside: bool) -> None:
    """Above the line, or beside the panel where the points of options would overlap the name."""
    place, left, above = (1.01, "left", "center") if beside else (0.99, "right", "bottom")
    for name, level in panel.levels:
        axes.annotate(
            name, (place, level), xycoords=("axes fraction", "data"), ha=left, va=above,
            fontsize=8.5, alpha=0.85, annotation_clip=False,
        )  # fmt: skip


def _marker(rank: int, curves: Sequence[Curve]) -> str:
    """The marker of a label; none if every curve of that label has too many points."""
    few = any(len(curve.x) <= MARKED for curve in curves)
    return MARKERS[rank % len(MARKERS)] if few else ""


def _mark_nonfinite(
    axes: Axes, curve: Curve, x: Float64[ndarray, " points"], colour: str, rank: int
) -> None:
    counts = np.array([(~np.isfinite(column)).sum() for column in curve.samples])
    # One cross where the number of lost seeds changes, not one at each step of a long curve.
    for k in np.flatnonzero((counts > 0) & (np.diff(counts, prepend=0) != 0)):
        column = curve.samples[int(k)]
        lost = int(counts[k])
        top = bool(np.isposinf(column).any())
        height = (0.97 - 0.055 * rank) if top else (0.03 + 0.055 * rank)
        side = "right" if x[k] == x.max() else "center"  # not across the axes' edge
        cross = axes.annotate(
            f"× {lost}/{len(column)}", (x[k], height), xycoords=("data", "axes fraction"),
            color=colour, ha=side, va="center", fontsize=8.5, fontweight="bold",
        )  # fmt: skip
        cross.set_in_layout(False)


def seeds_note(panels: Sequence[Panel], joined: bool = True, decades: bool = False) -> str:
    """The end of every caption: what line and band show, and how many values were not finite.

    A mean of log10 values (``decades``) is a geometric mean of the numbers on the axis. Curves with an
    interval of their own have a sentence of their own, which names them beside others.
    """
    mean = "geometric mean over seeds (the mean of log10)" if decades else "mean over seeds"
    line, band = ("Line", "band") if joined else ("Mark", "bar")
    curves = [curve for panel in panels for curve in panel.curves]
    columns = [column for curve in curves for column in curve.samples]
    spread = [curve for curve in curves if curve.interval is None]
    computed = dict.fromkeys(curve.label for curve in curves if curve.interval is not None)
    note = ""
    if max((len(column) for curve in spread for column in curve.samples), default=0) >= 2:
        note += f" {line}: {mean}; {band}: the middle 80 % of seeds."
    elif spread or not computed:
        note += " One seed: no band."
    if computed:
        whose = f" ({', '.join(computed)})" if spread else ""
        note += f" {line}{whose}: one number from all seeds; {band}: its 95 % interval over seeds."
    lost = sum(int((~np.isfinite(column)).sum()) for column in columns)
    if lost:
        note += f" A cross with n/N: from there on n of N seeds are not finite ({lost} values)."
    return note


def _scale(axes: Axes, panels: Sequence[Panel], x: Axis, y: Axis) -> None:
    """Set the scales, which all panels share."""
    values = np.concatenate([c.x for panel in panels for c in panel.curves] or [np.zeros(1)])
    if x.names:
        axes.set_xticks(range(len(x.names)), x.names)
        axes.set_xlim(-0.6, len(x.names) - 0.4)
    elif not x.logarithmic:
        # Set explicitly: a curve without any finite value still has a cross at its x.
        margin = 0.07 * (np.ptp(values) or 1.0)
        axes.set_xlim(values.min() - margin, values.max() + margin)
        if all(value.is_integer() for value in values.tolist()):
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for axis, shown in ((axes.xaxis, x), (axes.yaxis, y)):
        if shown.logarithmic:
            _space_by_decades(axes, axis.axis_name)
        elif shown.decades:
            tick_by_decades(axis)


def _space_by_decades(axes: Axes, name: str) -> None:
    """A logarithmic axis with plain numbers: at 1, 2, 5 if it is short, evenly spaced if very short."""
    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    low, high = axis.get_data_interval()
    if 0 < low < high < 1000 * low:
        within = LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,))
        axis.set_major_locator(within if high > 5 * low else MaxNLocator(6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _legend(figure: Figure, panels: Sequence[Panel], labels: list[str]) -> None:
    curves = [curve for panel in panels for curve in panel.curves]
    handles = [
        Line2D([], [], color=COLOURS[k % len(COLOURS)], marker=_marker(k, mine))
        for k, label in enumerate(labels)
        for mine in [[curve for curve in curves if curve.label == label]]
    ]
    names = list(labels)
    if any(curve.predicted is not None for panel in panels for curve in panel.curves):
        handles.append(Line2D([], [], color=INK, ls=DASHES, lw=1.1))
        names.append("predicted")
    if len(names) > 1:
        room = 72 * figure.get_figwidth() / (LETTER * max(map(len, names)) + HANDLE)
        columns = max(1, min(len(names), 5, int(room)))
        figure.legend(handles, names, loc="outside lower center", ncols=columns)
