"""Losses, one module each: cost, delta and curvature, written by hand."""

from experiments.losses.absolute_error import AbsoluteError
from experiments.losses.binary_cross_entropy import BinaryCrossEntropy
from experiments.losses.cross_entropy import CrossEntropy
from experiments.losses.focal import Focal
from experiments.losses.half_squared_error import HalfSquaredError
from experiments.losses.label_smoothed_cross_entropy import LabelSmoothedCrossEntropy
from experiments.losses.mean_squared_error import MeanSquaredError
from experiments.losses.rescaled_squared_error import RescaledSquaredError
from experiments.losses.squared_error import SquaredError

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Focal",
    "HalfSquaredError",
    "LabelSmoothedCrossEntropy",
    "MeanSquaredError",
    "RescaledSquaredError",
    "SquaredError",
]
