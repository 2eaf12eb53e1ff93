"""Run cells: skip what is over, group what can share a computation, record every end."""

import logging
import time
from collections.abc import Sequence
from typing import Any

from experiments.app.build import group_key, loggers_of, stack_of
from experiments.core.cell import Status
from experiments.core.errors import ConfigurationError
from experiments.training.cells import Cell, write_config, write_failure, write_outcome
from experiments.training.module import close_loggers
from experiments.training.stack import Stack, chunked
from experiments.training.train import train

log = logging.getLogger(__name__)


def run_cells(cells: Sequence[Cell]) -> dict[str, Status | None]:
    """Train every cell that is not over yet.

    A stack that raises is taken apart and its cells are run alone, so that only the guilty one
    fails; a failed cell leaves its traceback and stops nobody.

    Returns:
        The status of every cell by id; None for a cell that was already over.
    """
    waiting = {cell.id: cell for cell in cells if not cell.is_over()}
    statuses: dict[str, Status | None] = {cell.id: None for cell in cells}
    if len(waiting) < len(statuses):
        log.info("%d cells are already over and are skipped", len(statuses) - len(waiting))
    groups: dict[str, list[Cell]] = {}
    for cell in waiting.values():
        groups.setdefault(group_key(cell), []).append(cell)
    for number, group in enumerate(groups.values(), 1):
        began = time.perf_counter()
        ends = _run_group(group)
        statuses |= ends
        log.info(
            "group %d of %d: %s, %s",
            number,
            len(groups),
            _title(group),
            _counts(ends.values(), time.perf_counter() - began),
        )
    return statuses


def _run_group(cells: list[Cell]) -> dict[str, Status | None]:
    """Train cells that share a group key, in stacks as large as memory allows."""
    ends: dict[str, Status | None] = {}
    try:
        stack = stack_of(cells)
        size = stack.largest(len(stack.dataset.load().train))
    except Exception as error:  # noqa: BLE001  whatever a room raises is this cell's outcome
        return _alone_or_failed(cells, error, 0.0)
    parts = chunked(stack.runs, size)
    first = 0
    for part in parts:
        mine = cells[first : first + len(part)]
        first += len(part)
        ends |= _run_stack(mine)
    return ends


def _run_stack(cells: list[Cell]) -> dict[str, Status | None]:
    began = time.perf_counter()
    try:
        stack: Stack = stack_of(cells)
        for cell in cells:
            write_config(cell)
        loggers = [
            [logger.open(cell.folder.path, cell.id) for logger in loggers_of(cell.config)]
            for cell in cells
        ]
        outcomes = train(stack, loggers)
    except Exception as error:  # noqa: BLE001  the cell's outcome, with its traceback
        return _alone_or_failed(cells, error, time.perf_counter() - began)
    ends: dict[str, Status | None] = {}
    for cell, outcome, mine in zip(cells, outcomes, loggers, strict=True):
        close_loggers(mine, cell.axes, outcome)
        write_outcome(cell, outcome, stack.ledger.columns)
        ends[cell.id] = outcome.status
    return ends


def _alone_or_failed(
    cells: list[Cell], error: Exception, seconds: float
) -> dict[str, Status | None]:
    if len(cells) > 1:
        log.warning("a stack of %d raised %r; its cells are run alone", len(cells), error)
        ends: dict[str, Status | None] = {}
        for cell in cells:
            ends |= _run_stack([cell])
        return ends
    write_failure(cells[0], error, seconds)
    log.error("cell %s failed: %s (%s)", cells[0].id, error, cells[0].folder.traceback)
    return {cells[0].id: "failed"}


def require_buildable(cells: Sequence[Cell]) -> None:
    """Refuse settings that no cell survives, before a folder is made.

    Raises:
        ConfigurationError: the first cell's, if none of the cells can be built.
    """
    first: ConfigurationError | None = None
    for cell in cells:
        try:
            stack = stack_of([cell])
            stack.optimizer()
            train_size = len(stack.dataset.load().train)
            stack.require_ready(train_size)
        except ConfigurationError as error:
            first = first or error
        except Exception:  # noqa: BLE001  not a matter of settings: the run will record it
            return
        else:
            return
    if first is not None:
        raise first


def _title(cells: Sequence[Cell]) -> str:
    shown = cells[0].axes
    keys = ("data", "loss", "activation", "model.depth", "model.width")
    return (
        " ".join(f"{key.removeprefix('model.')}={shown[key]}" for key in keys)
        + f", {len(cells)} runs"
    )


def _counts(ends: Any, seconds: float) -> str:
    ends = list(ends)
    parts = [f"{ends.count(s)} {s}" for s in ("finished", "diverged", "failed") if s in ends]
    return f"{', '.join(parts)} in {seconds:.1f} s"
