"""The files of a cell and of a sweep, which training writes and reporting reads.

::

    RUNS_DIR/NAME/                    one study or sweep
        study.json                    study and name, the command that made it, its config and changes
        results.parquet  ledger.parquet  report.html  tensorboard/
        cells/CELL/
            config.yaml               the resolved config
            record.json               written last and atomically: a cell with a record is done
            ledger.parquet            one row per recorded step and layer
            checkpoint                final weights of this run
            traceback.txt             if the cell failed, instead of ledger and checkpoint
            metrics.csv  tensorboard/ of the loggers, which write while the cell is trained
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Status = Literal["finished", "diverged", "failed"]


@dataclass(frozen=True)
class CellFolder:
    """The folder of one cell and the names inside it."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def record(self) -> Path:
        return self.path / "record.json"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.parquet"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    @property
    def traceback(self) -> Path:
        return self.path / "traceback.txt"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"


@dataclass(frozen=True)
class SweepFolder:
    """The folder RUNS_DIR/NAME of one study or sweep."""

    path: Path

    @property
    def cells(self) -> Path:
        return self.path / "cells"

    def cell(self, cell: str) -> CellFolder:
        return CellFolder(self.cells / cell)

    @property
    def study(self) -> Path:
        return self.path / "study.json"

    @property
    def results(self) -> Path:
        return self.path / "results.parquet"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.parquet"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"
