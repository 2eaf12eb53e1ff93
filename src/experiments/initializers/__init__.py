"""Initializers, one module each: how weights and biases are drawn, and their variances."""

from experiments.initializers.constant import Constant
from experiments.initializers.gaussian import Gaussian
from experiments.initializers.glorot import Glorot
from experiments.initializers.he import He
from experiments.initializers.lecun import LeCun
from experiments.initializers.normal import Normal
from experiments.initializers.orthogonal import Orthogonal
from experiments.initializers.torch_default import TorchDefault

__all__ = ["Constant", "Gaussian", "Glorot", "He", "LeCun", "Normal", "Orthogonal", "TorchDefault"]
