"""A CSV file of one cell: one row per step and tag, for tools that read nothing else."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, final

from torch import Tensor

from experiments.core.logger import CellLogger


@final
class CSV(CellLogger):
    """Writes ``cells/CELL/metrics.csv`` with columns step, tag, value; the final metrics come last."""

    def __init__(self) -> None:
        self._file: IO[str] | None = None
        self._rows: Any = None
        self._step = 0

    def open(self, folder: Path, cell: str) -> "CSV":
        opened = CSV()
        folder.mkdir(parents=True, exist_ok=True)
        opened._file = (folder / "metrics.csv").open("w", newline="")
        opened._rows = csv.writer(opened._file)
        opened._rows.writerow(("step", "tag", "value"))
        return opened

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        self._step = max(self._step, step)
        self._rows.writerows((step, tag, repr(value)) for tag, value in numbers.items())

    def histogram(self, step: int, tag: str, values: Tensor) -> None:
        """A table of scalars has no place for a distribution."""

    def close(self, axes: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        self.scalars(self._step, {f"final/{tag}": value for tag, value in metrics.items()})
        assert self._file is not None  # noqa: S101
        self._file.close()
