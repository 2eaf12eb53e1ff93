"""A metric against one axis of a sweep, with its seeds."""

from collections.abc import Sequence

from experiments.core.study import Figure
from experiments.reporting.figures.canvas import to_svg
from experiments.reporting.figures.curves import Axis, Panel, draw_panels, seeds_note


def against_axis(
    panels: Sequence[Panel], x: Axis, y: Axis, title: str, caption: str, columns: int | None = None
) -> Figure:
    """Draw a metric against the values of an axis; numbers are joined by lines, options are not.

    Args:
        panels: curves of the metric; predictions and reference levels are drawn with them.
        x: the axis; with ``names``, options at 0, 1, ...
        y: the metric; with ``decades``, log10 values.
        title: name of the figure.
        caption: what the figure shows; a note on seeds is added.
        columns: panels per row; by default as many as fit.
    """
    figure = draw_panels(panels, x, y, columns)
    note = seeds_note(panels, joined=not x.names, decades=y.decades)
    return Figure(title, caption + note, to_svg(figure, title))
