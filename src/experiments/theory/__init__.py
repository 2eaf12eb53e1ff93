"""Predictions: mean field, finite width and the geometry of losses. Shares no code with the probes."""

from experiments.theory import (
    finite_width,
    loss_calibration,
    loss_confident_error,
    loss_geometry,
    loss_hessian,
    loss_noise,
    loss_surface,
    mean_field,
)
from experiments.theory.advice import Advice, advise
from experiments.theory.batch import BatchMoments
from experiments.theory.critical_start import (
    StartingPoint,
    critical,
    critical_orthogonal,
    starting_points,
)
from experiments.theory.deep_linear import learning_time
from experiments.theory.jacobian_spectrum import squared_singular_value_density
from experiments.theory.kernel import (
    LearningRates,
    TangentKernel,
    stable_learning_rates,
    tangent_kernel,
)
from experiments.theory.mean_field import NoCriticalPointError
from experiments.theory.profile import Profile, predicted_profile

__all__ = [
    "Advice",
    "BatchMoments",
    "LearningRates",
    "NoCriticalPointError",
    "Profile",
    "StartingPoint",
    "TangentKernel",
    "advise",
    "critical",
    "critical_orthogonal",
    "finite_width",
    "learning_time",
    "loss_calibration",
    "loss_confident_error",
    "loss_geometry",
    "loss_hessian",
    "loss_noise",
    "loss_surface",
    "mean_field",
    "predicted_profile",
    "squared_singular_value_density",
    "stable_learning_rates",
    "starting_points",
    "tangent_kernel",
]
