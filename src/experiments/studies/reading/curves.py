"""Curves and figures that several studies draw."""

from collections.abc import Sequence
from pathlib import Path

from experiments.core.study import Figure
from experiments.reporting.figures import Axis, Curve, Panel
from experiments.reporting.figures.canvas import to_svg
from experiments.reporting.figures.curves import draw_panels
from experiments.reporting.profiles import histories


def learning_curve(label: str, cells: Sequence[str], metric: str, folder: Path) -> Curve | None:
    """One metric against the training step, with a sample for every cell; None where none recorded it.

    Args:
        label: name in the legend.
        cells: of one configuration.
        metric: name in the histories, such as ``val/accuracy``.
        folder: RUNS_DIR/NAME.
    """
    history = histories(folder, cells, [metric]).get(metric)
    if history is None:
        return None
    steps, values = history
    return Curve(label, steps, list(values.T))


def without_seeds(
    panels: Sequence[Panel], x: Axis, y: Axis, title: str, caption: str, columns: int | None = None
) -> Figure:
    """A figure of curves with one value at each x, such as formulas: its caption has no note on seeds.

    Args:
        panels: curves whose samples hold one value each.
        x: axis of all panels.
        y: axis of all panels.
        title: name of the figure.
        caption: what it shows.
        columns: panels in a row; by default as many as fit.
    """
    return Figure(title, caption, to_svg(draw_panels(panels, x, y, columns), title))
