"""Studies: one question each, answered from the cells of a sweep."""

from experiments.studies.sweep import Sweep
from experiments.studies.vanishing_gradient import VanishingGradient

__all__ = ["Sweep", "VanishingGradient"]
