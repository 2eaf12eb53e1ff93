"""Floor 4: networks built from the floors below."""

from experiments.models.mlp import MLP

__all__ = ["MLP"]
