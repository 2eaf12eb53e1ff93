"""Measurements on a live network. Uses neither the theory nor the hand-written recursions."""

from experiments.probes.chi import effective_chi, gradient_ratio
from experiments.probes.correlation import correlations, lengths
from experiments.probes.jacobian import (
    log10_largest_singular_values,
    log10_partial_singular_values,
    log10_singular_values,
    spectrum_spread,
)
from experiments.probes.ledger import Ledger
from experiments.probes.watching import Watch, WatchedLayer

__all__ = [
    "Ledger",
    "Watch",
    "WatchedLayer",
    "correlations",
    "effective_chi",
    "gradient_ratio",
    "lengths",
    "log10_largest_singular_values",
    "log10_partial_singular_values",
    "log10_singular_values",
    "spectrum_spread",
]
