"""Optimisers over the run axis: every run of a stack is updated at once, with its own numbers."""

from experiments.training.optimizers.adam import Adam
from experiments.training.optimizers.adamw import AdamW
from experiments.training.optimizers.blocks import ParameterBlocks
from experiments.training.optimizers.optimizer import Hyperparameter, Optimizer
from experiments.training.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Hyperparameter", "Optimizer", "ParameterBlocks"]
