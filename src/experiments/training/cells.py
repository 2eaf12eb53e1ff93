"""A cell: its identity, and its files, each of which is written whole or not at all.

Only what loggers write grows while the cell is trained.
"""

import functools
import hashlib
import json
import platform
import traceback as tracebacks
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from experiments.core.atomic import replacing
from experiments.core.cell import CellFolder
from experiments.core.errors import CheckpointError, ConfigurationError, describe
from experiments.core.operations import has_compiler
from experiments.core.record import read_record
from experiments.core.whole import integer_if_whole
from experiments.training.outcome import Outcome

#: keys that say where results go or which device computes them, and not what is computed
NOT_IDENTITY = (
    "name",
    "runs_dir",
    "study",
    "logger",
    "checkpoint",  # a path; a hash of the file's contents takes its place
    "data.folder",
    "data.data_home",
    "trainer.accelerator",
    "trainer.progress_bar",
    "trainer.checkpoint",
    "trainer.cuda_graph",
    "trainer.numba",
    "trainer.threads",
    "trainer.stack_memory",
    "hydra",
)
_OUTSIDE = tuple(f"{key}." for key in NOT_IDENTITY)

#: libyaml's writer is ten times faster, where the wheel has it
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
#: parts of configs as YAML, by their repr
_PAGES: dict[str, str] = {}
RECORDED_PACKAGES = ("pytorch-lightning", "hydra-core", "numpy")


@dataclass(frozen=True)
class Cell:
    """One row of the table.

    Args:
        id: hash of what it computes.
        config: the resolved config, in plain containers.
        axes: flat config keys and option names, as the table shows them.
        folder: of its files.
        refusal: why it cannot be trained, if that is already known.
    """

    id: str
    config: Mapping[str, Any]
    axes: Mapping[str, Any]
    folder: CellFolder
    refusal: ConfigurationError | None = None

    def is_over(self) -> bool:
        """Whether its record says that it finished or diverged, and all requested files exist.

        A failed cell is tried again, and so is one whose ledger is unreadable or of which files are
        now requested that were not before.
        """
        record = read_record(self.folder)
        if isinstance(record, str) or record["status"] not in ("finished", "diverged"):
            return False
        if self.config["probe"].get("quantities"):
            try:  # the whole file: its pages may be damaged where its footer is not
                pq.ParquetFile(self.folder.ledger).read(use_threads=False)
            except (OSError, pa.ArrowException):
                return False
        requested = [self.folder.checkpoint] if self.config["trainer"]["checkpoint"] else []
        requested += [self.folder.tensorboard] if self._logs("tensorboard") else []
        requested += [self.folder.metrics] if self._logs("csv") else []
        return all(path.exists() for path in requested)

    def _logs(self, name: str) -> bool:
        return "_target_" in self.config["logger"].get(name, {})


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots; lists stay as they are.

    >>> flatten({"model": {"depth": 2}, "seed": 0})
    {'model.depth': 2, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def enters_identity(key: str) -> bool:
    """Whether a setting, by its flat key, says what is computed.

    >>> enters_identity("trainer.max_steps"), enters_identity("data.folder"), enters_identity("hydra.job")
    (True, False, False)
    """
    return not f"{key}.".startswith(_OUTSIDE)


def identity(config: Mapping[str, Any], checkpoint: Path | None = None) -> str:
    """Twelve hex digits that depend on what is computed, not on where it is stored.

    Numbers are compared by value: 1 and 1.0 are the same setting. Output paths, device and launcher
    are left out; a starting checkpoint enters by its contents.

    >>> identity({"seed": 0, "name": "here"}) == identity({"seed": 0.0, "name": "there"})
    True
    """
    kept = {key: _by_value(value) for key, value in flatten(config).items() if enters_identity(key)}
    if checkpoint is not None:
        kept["checkpoint"] = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    canonical = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _by_value(setting: Any) -> Any:
    """Whole floats as integers, at any depth. Integers as floats would make large seeds equal."""
    if isinstance(setting, Mapping):
        return {key: _by_value(value) for key, value in setting.items()}
    if isinstance(setting, list):
        return [_by_value(value) for value in setting]
    return integer_if_whole(setting)


def write_config(cell: Cell) -> None:
    """Make the cell's folder and write its config."""
    cell.folder.path.mkdir(parents=True, exist_ok=True)
    with replacing(cell.folder.config) as temporary:
        pages = [_page({key: node}) for key, node in cell.config.items()]
        temporary.write_text("".join(pages), encoding="utf-8")


def _page(part: Mapping[str, Any]) -> str:
    """A part of a config as YAML; the cells of a sweep have most of their parts in common."""
    text = repr(part)
    if text not in _PAGES:
        _PAGES[text] = yaml.dump(part, Dumper=DUMPER, sort_keys=False)
    return _PAGES[text]


def withdraw_record(cell: Cell) -> None:
    """Remove the record of a cell that is not over and is about to be trained again.

    It may be finished and only lack files it is now asked for. A kill in between would leave these
    cut short beside a record that calls the cell finished. A record that another process has completed
    since the work was planned stays.
    """
    if not cell.is_over():
        cell.folder.record.unlink(missing_ok=True)


def write_outcome(cell: Cell, outcome: Outcome, columns: tuple[str, ...]) -> dict[str, Any]:
    """Write all files of a cell; the record comes last and marks the cell as over."""
    folder = cell.folder
    if columns:
        table = pa.table({k: pa.array(v) for k, v in outcome.ledger(columns).items()})
        with replacing(folder.ledger) as temporary:
            pq.write_table(table, temporary)
    if outcome.state is not None:
        with replacing(folder.checkpoint) as temporary:
            torch.save(outcome.state, temporary)
    folder.traceback.unlink(missing_ok=True)
    return write_record(
        cell,
        {
            "status": outcome.status,
            "metrics": outcome.metrics,
            "history": outcome.history,
            "seconds": outcome.seconds,
            "steps": outcome.steps,
            "diverged_at": outcome.diverged_at,
            "stopped_at": outcome.stopped_at,
            "facts": outcome.facts,
            "error": None,
        },
    )


def write_failure(cell: Cell, error: BaseException, seconds: float) -> dict[str, Any]:
    """Record that a cell failed, with its traceback in place of what an earlier success left."""
    write_config(cell)
    for earlier in (cell.folder.ledger, cell.folder.checkpoint):
        earlier.unlink(missing_ok=True)
    with replacing(cell.folder.traceback) as temporary:
        temporary.write_text("".join(tracebacks.format_exception(error)), encoding="utf-8")
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    return write_record(
        cell,
        {
            "status": "failed",
            "metrics": {},
            "history": {},
            "seconds": seconds,
            "steps": None,
            "diverged_at": None,
            "stopped_at": None,
            "facts": {},
            "error": line,
        },
    )


def write_record(cell: Cell, result: Mapping[str, Any]) -> dict[str, Any]:
    """Write record.json atomically (temporary file, then rename)."""
    record = {"cell": cell.id, "axes": dict(cell.axes), **result, "versions": versions()}
    with replacing(cell.folder.record) as temporary:
        temporary.write_text(json.dumps(record, default=str), encoding="utf-8")
    return record


@functools.cache
def versions() -> dict[str, str]:
    """Versions of the software that computed the numbers."""
    optional = ("numba",) if has_compiler() else ()
    return {
        "experiments": version("gradient-flow-laboratory"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # names the build, unlike the package's version
    } | {name: version(name) for name in (*RECORDED_PACKAGES, *optional)}


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The final weights of a cell.

    Raises:
        CheckpointError: if there is no such file, or it is cut short, or holds something else.
    """
    remedy = "name the file `checkpoint` of a finished cell, or drop the setting"
    if not path.is_file():
        raise CheckpointError(describe(f"no file {path}", "a cell's checkpoint", remedy))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many types on a torn file
        raise CheckpointError(
            describe(
                f"{path} unreadable ({type(error).__name__}), perhaps cut short",
                "a whole checkpoint",
                remedy,
            )
        ) from error
    if not isinstance(state, dict) or not all(isinstance(t, torch.Tensor) for t in state.values()):
        raise CheckpointError(
            describe(f"{path} holding {type(state).__name__}", "named tensors", remedy)
        )
    return state
