"""The ledger of any torch model, whoever wrote it and its training loop."""

from experiments.probes.watching.watch import Watch, WatchedLayer

__all__ = ["Watch", "WatchedLayer"]
