"""Networks built from layers."""

from experiments.models.mlp import MLP

__all__ = ["MLP"]
