"""A CSV file of one cell: one row per step and tag, for tools that read nothing else."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import final

from torch import Tensor

from experiments.core.cell import CellFolder
from experiments.core.logger import CellLogger, CurveWriter


@final
class CSV(CellLogger):
    """Writes ``cells/CELL/metrics.csv`` with columns step, tag, value; the final metrics come last."""

    def open(self, folder: Path) -> CurveWriter:
        return _CSVWriter(folder)


@final
class _CSVWriter(CurveWriter):
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = CellFolder(folder).metrics.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self._rows.writerow(("step", "tag", "value"))
        self._last_step = 0

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        self._last_step = max(self._last_step, step)
        self._rows.writerows((step, tag, repr(value)) for tag, value in numbers.items())

    def histogram(self, step: int, tag: str, values: Tensor) -> None:
        """A table of scalars has no place for a distribution."""

    def summarize(self, axes: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        self.scalars(self._last_step, {f"final/{tag}": value for tag, value in metrics.items()})

    def close(self) -> None:
        self._file.close()
