"""Floor 3: the dense layer, forward and backward by hand."""

from experiments.layers.dense import Dense
from experiments.layers.record import LayerRecord

__all__ = ["Dense", "LayerRecord"]
