"""Activations, one module each: the value and its hand-written derivatives."""

from experiments.activations.elu import ELU
from experiments.activations.gelu import GELU
from experiments.activations.identity import Identity
from experiments.activations.leaky_relu import LeakyReLU
from experiments.activations.relu import ReLU
from experiments.activations.selu import SELU
from experiments.activations.sigmoid import Sigmoid
from experiments.activations.silu import SiLU
from experiments.activations.softplus import Softplus
from experiments.activations.tanh import Tanh

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Identity",
    "LeakyReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
]
