"""Depth profile: the size of the gradient in every layer, on a scale of powers of ten.

By default the quantity is the norm of delta^[l] = dC/dz^[l]; l = 2 is the first layer with weights.
"""

from collections.abc import Sequence

from experiments.core.study import Figure
from experiments.reporting.figures.against_axis import against_axis
from experiments.reporting.figures.curves import Axis, Panel

LAYER = Axis("layer l")
DELTA = Axis("norm of δ", decades=True)


def depth_profile(
    panels: Sequence[Panel],
    title: str,
    caption: str,
    x: Axis = LAYER,
    y: Axis = DELTA,
    columns: int | None = None,
) -> Figure:
    """Draw log10 norms against the layer, or against the distance from the output.

    Args:
        panels: curves of log10 values (columns log10_delta_norm, log10_weight_gradient_norm).
        title: name of the figure.
        caption: what the figure shows; a note on seeds and non-finite values is added.
        x: the layer axis.
        y: the quantity.
        columns: panels per row; by default as many as fit.
    """
    return against_axis(panels, x, y, title, caption, columns)
