"""The learning curves of some cells, as a line of a figure."""

from collections.abc import Sequence
from pathlib import Path

from experiments.reporting.figures import Curve
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
