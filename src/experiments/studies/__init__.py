"""Studies: one question each, answered from the cells of a sweep."""

from experiments.studies.approximation import Approximation
from experiments.studies.best_depth import BestDepth
from experiments.studies.calibration_after_temperature import CalibrationAfterTemperature
from experiments.studies.class_imbalance import ClassImbalance
from experiments.studies.depth_wall import DepthWall
from experiments.studies.dynamical_isometry import DynamicalIsometry
from experiments.studies.exploding_gradient import ExplodingGradient
from experiments.studies.few_samples import FewSamples
from experiments.studies.finite_width import FiniteWidth
from experiments.studies.higham import Higham
from experiments.studies.higham_least_squares import HighamLeastSquares
from experiments.studies.input_gradient import InputGradient
from experiments.studies.label_noise import LabelNoise
from experiments.studies.layer_speeds import LayerSpeeds
from experiments.studies.learning_slowdown import LearningSlowdown
from experiments.studies.mnist1d_baselines import MNIST1DBaselines
from experiments.studies.mse_vs_cross_entropy import MSEvsCrossEntropy
from experiments.studies.remedies import Remedies
from experiments.studies.saturated_start import SaturatedStart
from experiments.studies.sweep import Sweep
from experiments.studies.trainable_depth import TrainableDepth
from experiments.studies.vanishing_gradient import VanishingGradient

__all__ = [
    "Approximation",
    "BestDepth",
    "CalibrationAfterTemperature",
    "ClassImbalance",
    "DepthWall",
    "DynamicalIsometry",
    "ExplodingGradient",
    "FewSamples",
    "FiniteWidth",
    "Higham",
    "HighamLeastSquares",
    "InputGradient",
    "LabelNoise",
    "LayerSpeeds",
    "LearningSlowdown",
    "MNIST1DBaselines",
    "MSEvsCrossEntropy",
    "Remedies",
    "SaturatedStart",
    "Sweep",
    "TrainableDepth",
    "VanishingGradient",
]
