"""Figures of the report: one room each, drawn from data alone, as SVG for a page that is offline."""

from experiments.reporting.figures.against_axis import against_axis
from experiments.reporting.figures.curves import Axis, Curve, Panel
from experiments.reporting.figures.depth_profile import depth_profile
from experiments.reporting.figures.heat_map import heat_map
from experiments.reporting.figures.learning_curves import learning_curves

__all__ = [
    "Axis",
    "Curve",
    "Panel",
    "against_axis",
    "depth_profile",
    "heat_map",
    "learning_curves",
]
