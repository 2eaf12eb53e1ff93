"""The tables of a sweep, rebuilt from cells of every kind."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.reporting.fabricated import write_cell

from experiments.core.errors import ConfigurationError
from experiments.reporting.collect import LEDGER, collect, read_collection


def test_one_row_a_cell_with_its_axes_metrics_and_end(sweep: Path) -> None:
    """results.parquet has one row a cell: cell, status, axes by config key, metrics, the rest."""
    collect(sweep)
    results = pd.read_parquet(sweep / "results.parquet")
    assert len(results) == 2 * 3 * 3
    assert list(results)[:2] == ["cell", "status"]
    for key in ("model.depth", "activation", "initializer", "seed", "optimizer.lr"):
        assert key in results, key
    for key in ("train/loss", "val/loss", "val/accuracy", "test/loss", "test/accuracy", "seconds"):
        assert results[key].dtype == np.float64, key
    record = json.loads((sweep / "cells" / results["cell"][4] / "record.json").read_text())
    assert results["val/accuracy"][4] == record["metrics"]["val/accuracy"]
    assert json.loads(results["versions"][4]) == record["versions"]
    assert results["model.depth"].dtype == np.int64


def test_one_row_a_cell_step_and_layer(sweep: Path) -> None:
    """ledger.parquet repeats every cell's own ledger under its name, in one order."""
    collection = collect(sweep)
    ledger = pd.read_parquet(sweep / "ledger.parquet")
    assert list(ledger) == ["cell", "step", "layer", *LEDGER]
    assert len(ledger) == sum(2 * (depth + 1) for depth in collection.results["model.depth"])
    cell = collection.results["cell"][0]
    own = pd.read_parquet(sweep / "cells" / cell / "ledger.parquet")
    mine = ledger[ledger["cell"] == cell].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine[["step", "layer", *LEDGER]], own[["step", "layer", *LEDGER]])
    assert list(dict.fromkeys(ledger["cell"])) == list(collection.results["cell"])


def test_rows_are_ordered_by_what_cells_are(sweep: Path, tmp_path: Path) -> None:
    """Neither names of cells nor the order of their ends changes the order of rows."""
    other = tmp_path / "other"
    for k, cell in enumerate(sorted((sweep / "cells").iterdir(), reverse=True)):
        record = json.loads((cell / "record.json").read_text())
        write_cell(other, f"z{k:03d}", record["axes"])
    columns = ["activation", "initializer", "model.depth", "seed"]
    pd.testing.assert_frame_equal(collect(other).results[columns], collect(sweep).results[columns])


def test_collecting_again_gives_the_same_bytes(sweep: Path) -> None:
    """No row is doubled and nothing depends on time."""
    collect(sweep)
    before = [(sweep / name).read_bytes() for name in ("results.parquet", "ledger.parquet")]
    collect(sweep)
    assert before == [(sweep / n).read_bytes() for n in ("results.parquet", "ledger.parquet")]


def test_every_kind_of_hole_is_named_and_stops_nobody(sweep: Path) -> None:
    """Torn, foreign, unfinished and misplaced entries are skipped, each with its reason."""
    cells = sweep / "cells"
    (cells / "notes.txt").write_text("a stray file")
    (cells / "foreign").mkdir()
    (cells / "killed").mkdir()
    (cells / "killed" / "config.yaml").write_text("seed: 0")
    axes = {"activation": "relu", "seed": 0}
    (write_cell(sweep, "torn", axes) / "record.json").write_text('{"cell": "torn", "sta')
    (write_cell(sweep, "list", axes) / "record.json").write_text("[]")
    (cells / "list").joinpath("ledger.parquet").unlink()
    write_cell(sweep, "moved", axes).rename(cells / "renamed")
    write_cell(sweep, "odd", axes, status="sleeping")
    write_cell(sweep, "text", axes, metrics={"val/loss": "low"})
    (write_cell(sweep, "ledger", axes) / "ledger.parquet").write_bytes(b"PAR1 torn")
    collection = collect(sweep)
    reasons = {hole.name: hole.reason for hole in collection.holes}
    assert set(reasons) == {
        "notes.txt", "foreign", "killed", "torn", "list", "renamed", "odd", "text", "ledger",
    }  # fmt: skip
    assert "killed" in reasons["killed"]
    assert "'moved'" in reasons["renamed"]
    assert "sleeping" in reasons["odd"]
    assert "val/loss" in reasons["text"]
    assert len(collection.results) == 18 + 1  # the cell with a torn ledger keeps its row
    assert "ledger" not in set(collection.ledger["cell"])
    assert read_collection(sweep).holes == collection.holes


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("seconds", "x"),
        ("diverged_at", "a"),
        ("steps", [1]),
        ("history", [1]),
        ("history", {"step": 1}),
        ("facts", "a"),
        ("versions", []),
        ("axes", None),
    ],
)
def test_a_part_of_another_kind_is_a_hole(sweep: Path, part: str, value: object) -> None:
    """One damaged record costs its own row, not the report."""
    record = write_cell(sweep, "odd", {"activation": "relu", "seed": 0}) / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {part: value}))
    (hole,) = collect(sweep).holes
    assert hole.name == "odd"
    assert part in hole.reason


def test_a_record_that_nests_too_deep_is_a_hole(sweep: Path) -> None:
    """Python's parser gives up on it with another exception."""
    folder = write_cell(sweep, "deep", {"activation": "relu", "seed": 0})
    (folder / "record.json").write_text("[" * 100_000)
    (hole,) = collect(sweep).holes
    assert "RecursionError" in hole.reason


def test_failed_and_diverged_cells_keep_their_row(sweep: Path) -> None:
    """A failed cell has its error, a diverged one its step; values that are not finite survive."""
    write_cell(sweep, "bad", {"activation": "relu", "seed": 8}, status="failed")
    write_cell(
        sweep, "wild", {"activation": "relu", "seed": 9}, status="diverged",
        metrics={"val/loss": float("inf"), "train/loss": float("nan")},
    )  # fmt: skip
    collect(sweep)
    results = pd.read_parquet(sweep / "results.parquet").set_index("cell")
    assert results.loc["bad", "status"] == "failed"
    assert results.loc["bad", "error"] == "RuntimeError: made up"
    assert results.loc["wild", "diverged_at"] == 77
    assert np.isposinf(results.loc["wild", "val/loss"])
    assert pd.isna(results.loc["bad", "val/loss"])


def test_settings_that_only_some_cells_have_are_empty_elsewhere(tmp_path: Path) -> None:
    """Columns are the union of all axes; mixed kinds become text, whole and broken numbers floats."""
    write_cell(tmp_path, "a", {"activation": "elu", "activation.alpha": 0.5, "lr": 1})
    write_cell(tmp_path, "b", {"activation": "relu", "lr": 0.5, "seed": 1, "x": "one"})
    write_cell(tmp_path, "c", {"activation": "tanh", "lr": 2, "x": [1, 2]})
    results = collect(tmp_path).results.set_index("cell")
    assert results["lr"].to_dict() == {"a": 1.0, "b": 0.5, "c": 2.0}
    assert pd.isna(results.loc["b", "activation.alpha"])
    assert results.loc["c", "x"] == "[1, 2]"


def test_a_probe_without_logarithms_gets_them_where_they_are_known(tmp_path: Path) -> None:
    """log10 of a positive norm is filled in; of a norm of 0 nothing is known."""
    cell = write_cell(tmp_path, "a", {"model.depth": 2, "seed": 0}, gain=0.1)
    rows = pq.read_table(cell / "ledger.parquet").to_pandas()
    rows.loc[0, "delta_norm"] = 0.0
    pq.write_table(
        pa.Table.from_pandas(rows.drop(columns=["log10_delta_norm"]), preserve_index=False),
        cell / "ledger.parquet",
    )
    ledger = collect(tmp_path).ledger
    assert np.isnan(ledger["log10_delta_norm"][0])
    np.testing.assert_allclose(
        ledger["log10_delta_norm"][1:], np.log10(rows["delta_norm"][1:]), rtol=1e-12
    )


def test_repeated_ledger_rows_are_kept_once(tmp_path: Path) -> None:
    """A cell, step and layer has one row, the last written."""
    cell = write_cell(tmp_path, "a", {"model.depth": 2, "seed": 0})
    table = pq.read_table(cell / "ledger.parquet").to_pandas()
    again = table.assign(dead=0.5)
    pq.write_table(
        pa.Table.from_pandas(pd.concat([table, again]), preserve_index=False),
        cell / "ledger.parquet",
    )
    ledger = collect(tmp_path).ledger
    assert not ledger.duplicated(["cell", "step", "layer"]).any()
    assert (ledger["dead"] == 0.5).all()


def test_a_sweep_without_ledgers_has_an_empty_one(tmp_path: Path) -> None:
    """probe=none is no hole: the ledger has its columns and no rows."""
    cell = write_cell(tmp_path, "a", {"seed": 0})
    (cell / "ledger.parquet").unlink()
    collection = collect(tmp_path)
    assert collection.holes == ()
    assert list(collection.ledger) == ["cell", "step", "layer", *LEDGER]
    assert collection.ledger.empty


def test_a_failing_write_leaves_the_old_tables(sweep: Path, monkeypatch) -> None:
    """A table is written whole or not at all."""
    collect(sweep)
    before = (sweep / "results.parquet").read_bytes()

    def torn(table: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", torn)
    with pytest.raises(OSError, match="disk full"):
        collect(sweep)
    assert (sweep / "results.parquet").read_bytes() == before
    assert {p.name for p in sweep.iterdir()} == {"cells", "results.parquet", "ledger.parquet"}


@pytest.mark.parametrize("make", ["nothing", "file", "no cells", "empty cells", "only torn"])
def test_a_folder_that_is_no_sweep_is_refused(make: str, tmp_path: Path) -> None:
    """One message that names what was found, what was expected, and what to do."""
    folder = tmp_path / "name"
    if make == "file":
        folder.write_text("")
    elif make != "nothing":
        folder.mkdir()
        if make != "no cells":
            (folder / "cells").mkdir()
        if make == "only torn":
            (folder / "cells" / "c").mkdir()
            (folder / "cells" / "c" / "record.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"^found .*; expected .*; .*") as raised:
        collect(folder)
    assert os.fspath(folder) in str(raised.value)
    assert not (folder / "results.parquet").exists()
