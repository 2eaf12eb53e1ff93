"""A made-up sweep folder with known answers: what reporting is tested on, without any training.

Every cell's ledger follows ||delta^[l]|| = 10^(log10 gain * (depth + 2 - l)) with a little noise of
its seed, so slopes, factors and orders are known in advance.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = [
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
]
NOISE = 0.01


def write_cell(
    folder: Path,
    name: str,
    axes: dict[str, Any],
    *,
    gain: float = 0.5,
    accuracy: float = 0.9,
    status: str = "finished",
    steps: tuple[int, ...] = (0, 100),
    **record: Any,
) -> Path:
    """One cell: gain is the factor of the gradient norm from a layer to the one below."""
    cell = folder / "cells" / name
    cell.mkdir(parents=True)
    rng = np.random.default_rng([axes.get("seed", 0), abs(axes.get("model.depth", 3))])
    (cell / "config.yaml").write_text("seed: 0\n")
    over = status != "failed"
    if over:
        _write_ledger(cell, axes.get("model.depth", 3), gain, steps, rng)
    else:
        (cell / "traceback.txt").write_text("Traceback: made up\n")
    value = accuracy + NOISE * rng.standard_normal() if over else math.nan
    bad = math.nan if status == "diverged" else 1.0
    held = {
        "cell": name,
        "status": status,
        "axes": axes,
        "metrics": {
            "train/loss": 0.3 * bad, "train/accuracy": value, "val/loss": 0.4 * bad,
            "val/accuracy": value, "test/loss": 0.5 * bad, "test/accuracy": value,
        } if over else {},
        "history": {
            "step": [0, 50, 100],
            "train/loss": [2.3, 1.0, 0.3 * bad],
            "val/loss": [2.3, 1.1, 0.4 * bad],
            "val/accuracy": [0.1, value / 2, value],
        } if over else {},
        "seconds": 0.5,
        "versions": {"experiments": "0.1.0", "torch": "2.13.0", "python": "3.12.1"},
        "diverged_at": 77 if status == "diverged" else None,
        "facts": {"precision": "32-true", "subnormals": "flush"},
        "error": None if over else "RuntimeError: made up",
    }  # fmt: skip
    (cell / "record.json").write_text(json.dumps(held | record))
    return cell


def write_minimal_record(folder: Path, row: Mapping[str, Any], **record: Any) -> None:
    """The least record of a row that reports read: how the cell ended, and its curves."""
    path = folder / "cells" / row["cell"] / "record.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    held = {"cell": row["cell"], "status": row["status"], "axes": {}, "metrics": {}, "history": {}}
    path.write_text(json.dumps(held | record), encoding="utf-8")


def _write_ledger(
    cell: Path, depth: int, gain: float, steps: tuple[int, ...], rng: np.random.Generator
) -> None:
    layers = np.arange(2, depth + 3)
    log10 = math.log10(gain) * (depth + 2 - layers) + NOISE * rng.standard_normal(len(layers))
    rows = {
        "step": np.repeat(steps, len(layers)),
        "layer": np.tile(layers, len(steps)),
    } | {name: np.zeros(len(layers) * len(steps)) for name in COLUMNS}
    rows["log10_delta_norm"] = np.tile(log10, len(steps))
    with np.errstate(under="ignore"):
        rows["delta_norm"] = np.tile((10.0**log10).astype(np.float32).astype(float), len(steps))
    rows["update_ratio"] = np.where(rows["step"] == max(steps), np.nan, 1e-3)
    pq.write_table(pa.table(rows), cell / "ledger.parquet")


def fabricate(
    folder: Path,
    gains: dict[tuple[str, str], float],
    depths: tuple[int, ...] = (2, 5, 10, 20),
    seeds: int = 4,
    untrained: float = 1e-3,
    **fixed: Any,
) -> Path:
    """A product of (activation, initializer) x depth x seed.

    A network learns where its first-layer gradient is above ``untrained``; its accuracy is 0.9 then
    and 0.1, chance on ten classes, otherwise.
    """
    count = 0
    for (activation, initializer), gain in gains.items():
        for depth in depths:
            for seed in range(seeds):
                axes = {
                    "activation": activation, "initializer": initializer, "data": "digits",
                    "loss": "cross_entropy", "model.depth": depth, "model.width": 64,
                    "optimizer": "sgd", "optimizer.lr": 0.1, "seed": seed,
                    "trainer.max_steps": 100,
                }  # fmt: skip
                learns = gain**depth > untrained
                write_cell(
                    folder, f"c{count:04d}", axes | fixed, gain=gain,
                    accuracy=0.9 if learns else 0.1,
                )  # fmt: skip
                count += 1
    return folder
