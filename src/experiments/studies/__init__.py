"""Studies: one question each, answered from the cells of a sweep."""

from experiments.studies.dynamical_isometry import DynamicalIsometry
from experiments.studies.exploding_gradient import ExplodingGradient
from experiments.studies.finite_width import FiniteWidth
from experiments.studies.higham import Higham
from experiments.studies.higham_least_squares import HighamLeastSquares
from experiments.studies.layer_speeds import LayerSpeeds
from experiments.studies.mse_vs_cross_entropy import MSEvsCrossEntropy
from experiments.studies.sweep import Sweep
from experiments.studies.trainable_depth import TrainableDepth
from experiments.studies.vanishing_gradient import VanishingGradient

__all__ = [
    "DynamicalIsometry",
    "ExplodingGradient",
    "FiniteWidth",
    "Higham",
    "HighamLeastSquares",
    "LayerSpeeds",
    "MSEvsCrossEntropy",
    "Sweep",
    "TrainableDepth",
    "VanishingGradient",
]
