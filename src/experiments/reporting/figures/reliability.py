"""Reliability diagram: accuracy against confidence.

On the diagonal a classifier is right as often as its confidence says; below it, it is overconfident.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from numpy import ndarray

from experiments.core.study import Figure
from experiments.reporting.figures.canvas import (
    COLOURS,
    INK,
    WIDTH,
    name_below,
    sheet,
    style,
    to_svg,
)
from experiments.reporting.figures.curves import DASHES, centre

#: bins with fewer examples, over all seeds, are not drawn: their accuracy is mostly noise
FEWEST = 5


@dataclass(frozen=True)
class Reliability:
    """One panel: per seed and bin, sums over the examples whose confidence lies in the bin.

    Args:
        title: of the panel.
        examples: number in the bin.
        confidence: sum of their confidences.
        right: number classified correctly.
    """

    title: str
    examples: Float64[ndarray, "seeds bins"]
    confidence: Float64[ndarray, "seeds bins"]
    right: Float64[ndarray, "seeds bins"]


def reliability_diagram(panels: Sequence[Reliability], title: str, caption: str) -> Figure:
    """Draw one diagram for each panel, with the share of examples of each bin as bars.

    Args:
        panels: to compare, all with the same bins.
        title: name of the figure.
        caption: what the figure shows; how to read it is added.
    """
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    with style():
        figure = sheet(WIDTH * max(columns, 2) / 3, 0.4 + 3.2 * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for k, (panel, axes) in enumerate(zip(panels, grid.flat, strict=False)):
            _draw(axes, panel, COLOURS[k % len(COLOURS)])
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy")
        name_below(grid, len(panels), "confidence")
    note = (
        " Dashed: accuracy equal to confidence. Points: mean over seeds in each bin, at the bin's mean "
        "confidence; band: the middle 80 % of seeds. Bars: share of the examples in the bin."
    )
    return Figure(title, caption + note, to_svg(figure, title))


def _draw(axes: Axes, panel: Reliability, colour: str) -> None:
    total = panel.examples.sum(axis=0)
    bins = len(total)
    edges = np.linspace(0, 1, bins + 1)
    axes.bar(
        edges[:-1], total / max(total.sum(), 1), width=1 / bins, align="edge", color=INK, alpha=0.18
    )
    axes.plot([0, 1], [0, 1], color=INK, ls=DASHES, lw=1.1, alpha=0.85)
    drawn = np.flatnonzero(total >= FEWEST)
    if len(drawn):
        x = panel.confidence.sum(axis=0)[drawn] / total[drawn]
        shares = [_shares(panel, int(b)) for b in drawn]
        mean, band = centre(shares)
        axes.fill_between(x, band[0], band[1], color=colour, alpha=0.2, lw=0)
        axes.plot(x, mean, color=colour, marker="o", zorder=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), title=panel.title)
    axes.set_box_aspect(1)


def _shares(panel: Reliability, b: int) -> Float64[ndarray, " seeds"]:
    """Accuracy in bin ``b`` of every seed that has an example there."""
    some = panel.examples[:, b] > 0
    return np.asarray(panel.right[some, b] / panel.examples[some, b], np.float64)
