"""Figures of the report: one room each, drawn from data alone, as SVG for a page that is offline."""

from experiments.reporting.figures.against_axis import against_axis
from experiments.reporting.figures.curves import Axis, Curve, Panel
from experiments.reporting.figures.depth_profile import depth_profile
from experiments.reporting.figures.heat_map import heat_map
from experiments.reporting.figures.learning_curves import learning_curves
from experiments.reporting.figures.reliability import Reliability, reliability_diagram

__all__ = [
    "Axis",
    "Curve",
    "Panel",
    "Reliability",
    "against_axis",
    "depth_profile",
    "heat_map",
    "learning_curves",
    "reliability_diagram",
]
