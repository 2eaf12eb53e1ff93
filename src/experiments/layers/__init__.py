"""The dense layer, with its forward and backward pass written by hand."""

from experiments.layers.dense import Dense
from experiments.layers.record import LayerRecord

__all__ = ["Dense", "LayerRecord"]
