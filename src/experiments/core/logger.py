"""Contract of a logger: settings that open one writer for each cell's curves."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


class CurveWriter(ABC):
    """Writes the curves of one cell while it trains.

    A writer whose format has no place for non-finite values documents what it does with them.
    """

    @abstractmethod
    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers of one step, by tag."""

    @abstractmethod
    def histogram(self, step: int, tag: str, values: Tensor) -> None:
        """A distribution of one step; the values are on the CPU."""

    @abstractmethod
    def summarize(self, axes: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        """The final metrics beside the cell's settings; the last thing that is written."""

    @abstractmethod
    def close(self) -> None:
        """Close the files, of a cell that was not trained to its end too."""


class CellLogger(ABC):
    """A kind of log, and its settings."""

    @abstractmethod
    def open(self, folder: Path) -> CurveWriter:
        """A writer of one cell into its folder, which is named after the cell's identity.

        What an earlier attempt at the cell has written is replaced.
        """
