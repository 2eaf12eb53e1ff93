"""The quantities of the ledger, one module each: pure functions of one training step."""

from experiments.probes.quantities.activation_moments import ActivationMoments
from experiments.probes.quantities.bias_gradient_size import BiasGradientSize
from experiments.probes.quantities.delta_size import DeltaSize
from experiments.probes.quantities.derivative_size import DerivativeSize
from experiments.probes.quantities.exact_zero import ExactZero
from experiments.probes.quantities.nonfinite import Nonfinite
from experiments.probes.quantities.saturation import Saturation
from experiments.probes.quantities.update_ratio import UpdateRatio
from experiments.probes.quantities.weight_gradient_size import WeightGradientSize

__all__ = [
    "ActivationMoments",
    "BiasGradientSize",
    "DeltaSize",
    "DerivativeSize",
    "ExactZero",
    "Nonfinite",
    "Saturation",
    "UpdateRatio",
    "WeightGradientSize",
]
