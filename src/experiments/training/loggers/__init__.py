"""Where a cell's curves go: one room per kind of file."""

from experiments.training.loggers.csv import CSV
from experiments.training.loggers.tensorboard import TensorBoard

__all__ = ["CSV", "TensorBoard"]
