"""Reading the records of a sweep's cells; whatever cannot be read becomes a named hole with a reason."""

from dataclasses import dataclass
from pathlib import Path

from experiments.core.cell import CellFolder, SweepFolder
from experiments.core.errors import ConfigurationError, describe
from experiments.core.record import Record, read_record


@dataclass(frozen=True)
class Hole:
    """An entry of the cells' folder that gives no row (or no ledger), and why."""

    name: str
    reason: str


def cell_folders(folder: Path) -> list[Path]:
    """All entries of RUNS_DIR/NAME/cells, sorted by name.

    Raises:
        ConfigurationError: if there is no such folder, or nothing in it.
    """
    remedy = "give the folder RUNS_DIR/NAME of a sweep, for instance runs/vanishing_gradient"
    if not folder.is_dir():
        found = f"a file at {folder}" if folder.exists() else f"nothing at {folder}"
        raise ConfigurationError(describe(found, "the folder of a sweep", remedy))
    cells = SweepFolder(folder).cells
    entries = sorted(cells.iterdir()) if cells.is_dir() else []
    if not entries:
        what = "an empty folder" if cells.is_dir() else "no folder"
        raise ConfigurationError(describe(f"{what} {cells}", "one folder for each cell", remedy))
    return entries


def record_or_hole(entry: Path) -> Record | Hole:
    """The record of one cell, or why there is none.

    The record is written last, so a cell without one was killed or is still running.
    """
    if not entry.is_dir():
        return Hole(entry.name, "not a folder")
    cell = CellFolder(entry)
    if not cell.record.exists():
        started = cell.config.exists()
        return Hole(entry.name, "no record: killed or still running" if started else "not a cell")
    found = read_record(cell)
    return Hole(entry.name, found) if isinstance(found, str) else found


def read_records(folder: Path) -> tuple[list[Record], list[Hole]]:
    """All readable records of a sweep, by name of cell, and the holes.

    Raises:
        ConfigurationError: if the folder is not that of a sweep.
    """
    records: list[Record] = []
    holes: list[Hole] = []
    for entry in cell_folders(folder):
        read = record_or_hole(entry)
        if isinstance(read, Hole):
            holes.append(read)
        else:
            records.append(read)
    return records, holes
