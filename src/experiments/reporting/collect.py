"""The two tables of a sweep, rebuilt from its cells' records and ledgers.

``results.parquet`` has one row per cell, ``ledger.parquet`` one row per cell, step and layer. Both are
rebuilt completely each time, ordered by the cells' settings and not by when they ended, so the same
cells always give the same tables. What could not be read is listed in the tables' metadata, and the
report shows it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pandas import DataFrame

from experiments.core.atomic import replacing
from experiments.core.cell import SweepFolder
from experiments.core.errors import ConfigurationError, describe
from experiments.core.record import Record
from experiments.reporting.records import Hole, read_records

#: columns of results.parquet that are neither an axis nor a metric
FIRST = ("cell", "status")
LAST = ("seconds", "diverged_at", "error", "facts", "versions")
#: these metrics come first; others follow by name
METRICS = tuple(
    f"{split}/{what}" for split in ("train", "val", "test") for what in ("loss", "accuracy")
)
LEDGER = (
    "delta_rms",
    "delta_norm",
    "log10_delta_norm",
    "weight_gradient_norm",
    "log10_weight_gradient_norm",
    "bias_gradient_norm",
    "derivative_mean",
    "derivative_rms",
    "saturated",
    "dead",
    "exact_zero",
    "nonfinite",
    "activation_mean",
    "activation_variance",
    "update_ratio",
)
_HOLES = b"experiments.holes"
_LEDGER_TYPES = {"cell": pa.string(), "step": pa.int64(), "layer": pa.int64()}


@dataclass(frozen=True)
class Collection:
    """The tables of a sweep and what was left out of them."""

    results: DataFrame
    ledger: DataFrame
    holes: tuple[Hole, ...]


def collect(folder: Path) -> Collection:
    """Rebuild results.parquet and ledger.parquet of RUNS_DIR/NAME from its cells.

    Raises:
        ConfigurationError: if ``folder`` is no sweep's, or no cell of it has a readable record.
    """
    records, holes = read_records(folder)
    if not records:
        reasons = "; ".join(f"{hole.name}: {hole.reason}" for hole in holes[:3])
        raise ConfigurationError(
            describe(
                f"{len(holes)} entries in {SweepFolder(folder).cells} and no record ({reasons})",
                "at least one cell that is over",
                "run the training command again: it continues where it stopped",
            )
        )
    results = _results(records)
    ledger, torn = _ledger(SweepFolder(folder), results["cell"].to_pylist())
    holes = sorted([*holes, *torn], key=lambda hole: hole.name)
    _write(results, SweepFolder(folder).results, holes)
    _write(ledger, SweepFolder(folder).ledger, holes)
    return Collection(results.to_pandas(), ledger.to_pandas(), tuple(holes))


def read_collection(folder: Path) -> Collection:
    """The tables of the folder, collected first if they do not exist yet."""
    paths = SweepFolder(folder)
    if not (paths.results.exists() and paths.ledger.exists()):
        return collect(folder)
    results, ledger = pq.read_table(paths.results), pq.read_table(paths.ledger)
    holes = json.loads((results.schema.metadata or {}).get(_HOLES, b"[]"))
    return Collection(
        results.to_pandas(), ledger.to_pandas(), tuple(Hole(**hole) for hole in holes)
    )


def _write(table: pa.Table, path: Path, holes: list[Hole]) -> None:
    metadata = {
        **(table.schema.metadata or {}),
        _HOLES: json.dumps([asdict(hole) for hole in holes]).encode(),
    }
    with replacing(path) as draft:
        pq.write_table(table.replace_schema_metadata(metadata), draft)


# -- results ---------------------------------------------------------------------------------------


def _results(records: list[Record]) -> pa.Table:
    axes = sorted(set().union(*(record["axes"] for record in records)) - {"seed"})
    known = set().union(*(record["metrics"] for record in records))
    metrics = [*METRICS, *sorted(known - set(METRICS))]
    columns: dict[str, pa.Array] = {
        name: pa.array([record[name] for record in records], pa.string()) for name in FIRST
    }
    for key in [*axes, "seed"]:
        columns[key] = _axis([record["axes"].get(key) for record in records])
    for key in metrics:
        values = [record["metrics"].get(key) for record in records]
        columns[key] = pa.array([_number(value) for value in values], pa.float64())
    columns["seconds"] = pa.array([_number(r.get("seconds")) for r in records], pa.float64())
    columns["diverged_at"] = pa.array([r.get("diverged_at") for r in records], pa.int64())
    columns["error"] = pa.array([_text(r.get("error")) for r in records], pa.string())
    for key in ("facts", "versions"):
        columns[key] = pa.array([_text(r.get(key, {})) for r in records], pa.string())
    order = [(key, "ascending") for key in [*axes, "seed", "cell"]]
    return pa.table(columns).sort_by(order)


def _axis(values: list[Any]) -> pa.Array:
    """A column of booleans, 64-bit integers or floats if all values are; otherwise text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int}:
        wide = any(value is not None and abs(value) >= 2**63 for value in values)
        # a large seed keeps all its digits
        return pa.array(map(_text, values) if wide else values, pa.string() if wide else pa.int64())
    if kinds and kinds <= {int, float}:
        return pa.array([_number(value) for value in values], pa.float64())
    return pa.array([_text(value) for value in values], pa.string())


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True)


# -- ledger ----------------------------------------------------------------------------------------


def _ledger(folder: SweepFolder, cells: Iterable[str]) -> tuple[pa.Table, list[Hole]]:
    parts: list[pa.Table] = []
    holes: list[Hole] = []
    for cell in cells:
        path = folder.cell(cell).ledger
        if not path.exists():
            continue  # probe=none, or failed before the first record: no rows, and no hole
        try:
            part = pq.ParquetFile(path).read(use_threads=False)
            parts.append(_uniform(part, cell))
        except (pa.ArrowException, OSError, KeyError) as error:
            holes.append(Hole(cell, f"ledger.parquet cannot be read ({type(error).__name__})"))
    empty = pa.table({"cell": [], "step": [], "layer": []} | {name: [] for name in LEDGER})
    table = pa.concat_tables([_uniform(empty, ""), *parts], promote_options="permissive")
    return _with_logarithms(_without_repeats(table)), holes


def _uniform(part: pa.Table, cell: str) -> pa.Table:
    """The cell's name and the ledger's columns, ordered and typed; unknown columns come last."""
    extra = sorted(set(part.column_names) - set(LEDGER) - set(_LEDGER_TYPES))
    columns: dict[str, Any] = {"cell": pa.repeat(pa.scalar(cell), len(part))}
    for name in ("step", "layer"):
        columns[name] = part[name].cast(pa.int64())
    for name in [*LEDGER, *extra]:
        present = name in part.column_names
        columns[name] = (
            part[name].cast(pa.float64()) if present else pa.nulls(len(part), pa.float64())
        )
    return pa.table(columns)


def _with_logarithms(table: pa.Table) -> pa.Table:
    """Compute log10 columns that were not recorded from the norm, where the norm is not 0.

    A norm of 0 does not tell how small the gradient truly is; its logarithm stays unknown.
    """
    for name in ("delta_norm", "weight_gradient_norm"):
        index = table.column_names.index(f"log10_{name}")
        plain = pc.log10(pc.if_else(pc.greater(table[name], 0.0), table[name], None))
        table = table.set_column(index, f"log10_{name}", pc.coalesce(table[index], plain))
    return table


def _without_repeats(table: pa.Table) -> pa.Table:
    """Sorted by step and layer within each cell; of repeated rows the last is kept."""
    if len(table) == 0:
        return table
    cell = pc.dictionary_encode(table["cell"]).combine_chunks()
    code = np.asarray(cell.indices)
    step, layer = (table[name].to_numpy() for name in ("step", "layer"))
    order = np.lexsort((np.arange(len(table)), layer, step, code))
    keys = np.stack([code[order], step[order], layer[order]])
    last = np.append((keys[:, 1:] != keys[:, :-1]).any(axis=0), True)
    return table.take(pa.array(order[last]))
