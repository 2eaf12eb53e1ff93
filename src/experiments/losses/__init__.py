"""What the network is trained to make small, one room each: cost, delta and curvature by hand."""

from experiments.losses.binary_cross_entropy import BinaryCrossEntropy
from experiments.losses.cross_entropy import CrossEntropy
from experiments.losses.half_squared_error import HalfSquaredError
from experiments.losses.mean_squared_error import MeanSquaredError

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "HalfSquaredError", "MeanSquaredError"]
