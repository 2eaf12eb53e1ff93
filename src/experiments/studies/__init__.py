"""Studies: one question each, answered from the cells of a sweep."""

from experiments.studies.sweep import Sweep

__all__ = ["Sweep"]
