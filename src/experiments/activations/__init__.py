"""Activations, one room each: a value and its hand-written derivatives."""

from experiments.activations.elu import ELU
from experiments.activations.identity import Identity
from experiments.activations.relu import ReLU
from experiments.activations.sigmoid import Sigmoid
from experiments.activations.tanh import Tanh

__all__ = ["ELU", "Identity", "ReLU", "Sigmoid", "Tanh"]
