"""Contract of a cell's logger: what a run says about itself while it trains."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


class CellLogger(ABC):
    """Writes one cell's curves into its folder.

    A logger whose format has no place for non-finite values documents what it does with them.
    """

    @abstractmethod
    def open(self, folder: Path, cell: str) -> "CellLogger":
        """A logger of the same kind that writes one cell into ``folder``."""

    @abstractmethod
    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers of one step, by tag."""

    @abstractmethod
    def histogram(self, step: int, tag: str, values: Tensor) -> None:
        """A distribution of one step."""

    @abstractmethod
    def close(self, axes: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        """Write the final metrics beside the cell's settings, and finish the files."""
