"""Heat map: one number for every pair of settings, written into its cell of the grid."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from matplotlib import colormaps
from matplotlib.colors import Normalize
from numpy import ndarray

from experiments.core.study import Figure
from experiments.reporting.figures.canvas import INK, sheet, style, to_svg

#: a grid of more fields is coloured without numbers
WRITTEN = 400


def heat_map(
    values: Float64[ndarray, "rows columns"],
    rows: Sequence[str],
    columns: Sequence[str],
    quantity: str,
    title: str,
    caption: str,
    labels: tuple[str, str] = ("", ""),
    limits: tuple[float, float] | None = None,
    diverging: bool = False,
    overlay: Float64[ndarray, "2 points"] | None = None,
    overlaid: str = "",
    pattern: str = "{:.2f}",
) -> Figure:
    """Colour a table; fields without a finite value stay white and show which value it is.

    Args:
        values: one number per field; NaN where there was no cell.
        rows: names of the rows, top to bottom.
        columns: names of the columns.
        quantity: what the numbers are, with the unit.
        title: name of the figure.
        caption: what the figure shows.
        labels: names of the row axis and the column axis.
        limits: numbers at the ends of the colour scale; by default the extremes found.
        diverging: whether zero is the middle (differences).
        overlay: a line to draw over the fields, as column and row positions counted from 0.
        overlaid: its name, for the legend.
        pattern: format of a number.
    """
    finite = values[np.isfinite(values)]
    low, high = limits or ((finite.min(), finite.max()) if len(finite) else (0.0, 1.0))
    if diverging:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    scale = Normalize(low, high if high > low else low + 1.0)
    colours = colormaps["PuOr" if diverging else "cividis"]
    n_rows, n_columns = values.shape
    with style():
        figure = sheet(min(9.6, 2.6 + 0.75 * n_columns + 0.09 * max(map(len, rows), default=0)),
                       1.3 + 0.36 * n_rows)  # fmt: skip
        axes = figure.subplots()
        axes.grid(visible=False)
        shown = np.ma.masked_invalid(values)
        mesh = axes.pcolormesh(shown, cmap=colours, norm=scale, edgecolors="white", linewidth=0.6)
        axes.invert_yaxis()
        axes.set_xticks(np.arange(n_columns) + 0.5, columns)
        axes.set_yticks(np.arange(n_rows) + 0.5, rows)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(ylabel=labels[0], xlabel=labels[1])
        for i, j in np.ndindex(values.shape) if values.size <= WRITTEN else ():
            value = float(values[i, j])
            written = pattern.format(value) if np.isfinite(value) else _named(value)
            ink = _contrast(colours(scale(value))) if np.isfinite(value) else INK
            number = axes.text(
                j + 0.5, i + 0.5, written, ha="center", va="center", color=ink, fontsize=9, zorder=5
            )
            if overlay is not None and np.isfinite(value):
                # the field's colour behind the number, so that the line does not strike it through
                field = colours(scale(value))
                number.set_bbox({"facecolor": field, "edgecolor": "none", "pad": 1.0})
        if overlay is not None:
            line = axes.plot(overlay[0] + 0.5, overlay[1] + 0.5, color="#EE6677", lw=2.4)
            if overlaid:
                figure.legend(line, [overlaid], loc="outside upper center")
            axes.set(xlim=(0, n_columns), ylim=(n_rows, 0))
        bar = figure.colorbar(mesh, ax=axes, label=quantity, pad=0.02)
        bar.outline.set_visible(False)
    return Figure(title, caption, to_svg(figure, title))


def _named(value: float) -> str:
    return "–" if np.isnan(value) else ("∞" if value > 0 else "−∞")


def _contrast(rgba: tuple[float, float, float, float]) -> str:
    """Black or white, whichever contrasts more with the field (relative luminance)."""
    red, green, blue = rgba[:3]
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45 else "#ffffff"
