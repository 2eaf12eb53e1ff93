"""Metrics, one module each: pure functions of a network's answers."""

from experiments.probes.metrics.brier import Brier
from experiments.probes.metrics.confident_error import ConfidentErrorGradient, ConfidentErrors
from experiments.probes.metrics.ece import ECE, reliability
from experiments.probes.metrics.largest_error import LargestError
from experiments.probes.metrics.logit_norm import LogitNorm
from experiments.probes.metrics.nll import NLL
from experiments.probes.metrics.squared_distance import SquaredDistance
from experiments.probes.metrics.worst_class import WorstClass

__all__ = [
    "ECE",
    "NLL",
    "Brier",
    "ConfidentErrorGradient",
    "ConfidentErrors",
    "LargestError",
    "LogitNorm",
    "SquaredDistance",
    "WorstClass",
    "reliability",
]
