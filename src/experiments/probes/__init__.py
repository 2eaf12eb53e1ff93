"""Floor 5: what is measured of a live network. Knows neither the theory nor the recursions."""

from experiments.probes.ledger import Ledger

__all__ = ["Ledger"]
