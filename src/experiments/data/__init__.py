"""Data sets, one room each: shipped with a package, read from files, or generated."""

from experiments.data.digits import Digits

__all__ = ["Digits"]
