"""Learning curves: a metric against the training step, with its seeds."""

from collections.abc import Sequence

from experiments.core.study import Figure
from experiments.reporting.figures.against_axis import against_axis
from experiments.reporting.figures.curves import Axis, Panel

STEP = Axis("training step")


def learning_curves(
    panels: Sequence[Panel],
    metric: str,
    title: str,
    caption: str,
    logarithmic: bool = False,
    columns: int | None = None,
) -> Figure:
    """Draw one metric's history; a run that diverged ends there and is marked.

    Args:
        panels: curves on a common grid of steps, NaN after the end of a run.
        metric: name of the metric, with its unit.
        title: name of the figure.
        caption: what the figure shows; a note on seeds is added.
        logarithmic: whether to space a positive metric by decades.
        columns: panels per row; by default as many as fit.
    """
    y = Axis(metric, logarithmic=logarithmic)
    return against_axis(panels, STEP, y, title, caption, columns)
