"""What all figures share: one style, and the output as SVG or pixels.

Colours start with Paul Tol's "bright" set, which remains distinguishable with the common forms of
colour blindness; markers and dashes distinguish curves as well. Text and axes take the page's colour
(``currentColor``), so a figure is legible on white and on black. The same data give the same bytes.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy import ndarray

INK = "#1b1e23"
COLOURS = (
    "#4477AA",
    "#EE6677",
    "#228833",
    "#AA3377",
    "#CCBB44",
    "#66CCEE",
    "#BB7744",
    "#8888AA",
    "#44AA99",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "*")
WIDTH = 9.6  # inches; the page scales it

#: matplotlib's stubs list every key as a literal type, which a plain dict cannot meet
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 10.5,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",  # real text: it can be searched, copied and read aloud
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.dpi": 72,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in this style inside the block, without changing the caller's settings."""
    with mpl.rc_context(_STYLE):
        yield


def sheet(width: float, height: float) -> Figure:
    """An empty figure (no global state, no window)."""
    return Figure(figsize=(width, height), layout="constrained")


def name_below(grid: ndarray, panels: int, label: str) -> None:
    """Label the x axis of every panel that has no panel below it.

    Args:
        grid: of axes, (rows, columns), filled row by row.
        panels: number of axes in use.
        label: of the x axis.
    """
    for axes in grid.flat[max(0, panels - grid.shape[1]) : panels]:
        axes.set_xlabel(label)
        axes.tick_params(labelbottom=True)  # the last row may be shorter


def to_svg(figure: Figure, title: str) -> str:
    """The figure as one ``<svg>`` element that fits its container, labelled for screen readers.

    Args:
        figure: drawn inside ``style()``.
        title: its name, which also makes the ids of two figures on one page different.
    """
    out = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": title}):
        metadata = {"Date": None, "Creator": None, "Type": None, "Format": None}
        FigureCanvasSVG(figure).print_svg(out, metadata=metadata)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    widest = f'style="max-width: {figure.get_figwidth() * 100:.0f}px"'
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}" {widest}', 1).strip()


def to_pixels(figure: Figure, dpi: float = 80) -> UInt8[ndarray, "height width 3"]:
    """A figure of one panel on white, as pixels for an image dashboard.

    Margins are fixed, since fitting them to the labels takes as long as drawing.
    """
    figure.set_layout_engine(None)
    figure.subplots_adjust(left=0.13, right=0.97, bottom=0.22, top=0.92)
    figure.set_facecolor("white")
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
