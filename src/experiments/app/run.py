"""Run cells: skip those that are over, group those that can share a computation, record every result."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import NamedTuple

import torch

from experiments.app.build import group_key, loggers_of, stack_of
from experiments.app.workers import in_order_of_completion, workers_for
from experiments.core.cell import Status
from experiments.core.errors import ConfigurationError
from experiments.training.cells import (
    Cell,
    withdraw_record,
    write_config,
    write_failure,
    write_outcome,
)
from experiments.training.stack import chunked
from experiments.training.train import train

log = logging.getLogger(__name__)

Ends = dict[str, Status | None]

#: seconds between two lines of progress
QUIET = 5.0


def run_cells(cells: Sequence[Cell], workers: int | None = 1) -> Ends:
    """Train every cell that is not over yet.

    If a stack raises, its cells are run one by one, so that only the faulty one fails; if it does not
    fit into a GPU's memory, as two halves. A failed cell leaves its traceback, and the others go on.

    Args:
        cells: in any order; equal ones are run once.
        workers: processes that train stacks in parallel; None starts one per core if there is enough
            work. A GPU is always used by one process.

    Returns:
        The status of every cell by id; None for a cell that was already over.
    """
    waiting = {cell.id: cell for cell in cells if not cell.is_over()}
    ends: Ends = {cell.id: None for cell in cells}
    if len(waiting) < len(ends):
        log.info("skipped, already over: %d of %d cells", len(ends) - len(waiting), len(ends))
    groups: dict[str, list[Cell]] = {}
    for cell in list(waiting.values()):
        if cell.refusal is not None:
            ends |= _failed(waiting.pop(cell.id), cell.refusal, 0.0)
    for cell in waiting.values():
        groups.setdefault(group_key(cell), []).append(cell)
    stacks, workers = _shared_out(list(groups.values()), workers)
    began, done, said = time.perf_counter(), 0, 0.0
    for part, found in in_order_of_completion(run_stack, stacks, workers):
        ends |= found
        done += len(part)
        seconds = time.perf_counter() - began
        if seconds - said > QUIET or done == len(waiting):
            said = seconds
            log.info("%d/%d cells, %.0f s: %s", done, len(waiting), seconds, _title(part))
    return ends


def run_stack(cells: list[Cell]) -> Ends:
    """Train cells that share a group key as one computation, and record how each ended."""
    began = time.perf_counter()
    try:
        return _trained(cells)
    except Exception as error:  # noqa: BLE001  whatever is raised is the cell's result
        if len(cells) == 1:
            return _failed(cells[0], error, time.perf_counter() - began)
        # half of a stack that did not fit into a GPU may fit; any other fault is one cell's
        size = math.ceil(len(cells) / 2) if isinstance(error, torch.OutOfMemoryError) else 1
        said = "a stack of %d raised %s; its cells are run %d at a time"
        log.warning(said, len(cells), repr(error), size)
    # only now is the error's traceback gone, which kept the stack's memory
    ends: Ends = {}
    for part in chunked(cells, size):
        ends |= run_stack(part)
    return ends


def _trained(cells: list[Cell]) -> Ends:
    with ExitStack() as files:
        stack = stack_of(cells)
        for cell in cells:
            write_config(cell)
            withdraw_record(cell)
        writers = [
            [
                files.enter_context(closing(logger.open(cell.folder.path)))
                for logger in loggers_of(cell.config)
            ]
            for cell in cells
        ]
        outcomes = train(stack, writers)
        ends: Ends = {}
        for cell, outcome, mine in zip(cells, outcomes, writers, strict=True):
            try:
                for writer in mine:
                    writer.summarize(cell.axes, outcome.metrics)
                write_outcome(cell, outcome, stack.ledger.columns)
            except Exception as error:  # noqa: BLE001  its neighbours' results are not lost
                ends |= _failed(cell, error, outcome.seconds)
            else:
                ends[cell.id] = outcome.status
    return ends


def require_buildable(cells: Sequence[Cell]) -> None:
    """Refuse settings with which no cell can be built, before a folder is made.

    Raises:
        ConfigurationError: the first cell's, if none of the cells can be built.
    """
    first: ConfigurationError | None = None
    for cell in cells:
        try:
            if cell.refusal is not None:
                raise cell.refusal
            stack = stack_of([cell])
            stack.optimizer()
            stack.require_ready(len(stack.dataset.load().train))
        except ConfigurationError as error:
            first = first or error
        except Exception:  # noqa: BLE001  not about settings: the run will record it
            return
        else:
            return
    if first is not None:
        raise first


def _shared_out(groups: list[list[Cell]], workers: int | None) -> tuple[list[list[Cell]], int]:
    """Stacks, longest expected time first, and the number of processes that train them."""
    plans = [_plan(group) for group in groups]
    alone = (plan.seconds(len(group)) for plan, group in zip(plans, groups, strict=True))
    total = sum(alone, start=0.0)
    if any(map(_on_gpu, groups)):
        workers = 1
    elif workers is None:
        workers = workers_for(total)
    stacks: list[tuple[float, list[Cell]]] = []
    for plan, group in zip(plans, groups, strict=True):
        # no stack takes longer than one process's share of the total
        parts = (
            math.ceil(workers * plan.seconds(len(group)) / total) if total and workers > 1 else 1
        )
        size = min(plan.largest, math.ceil(len(group) / parts))
        stacks += [(plan.seconds(len(part)), part) for part in chunked(group, size)]
    stacks.sort(key=lambda stack: -stack[0])
    return [part for _, part in stacks], max(1, min(workers, len(stacks)))


class _Plan(NamedTuple):
    """The most cells of a group in one stack, and the expected seconds of a stack by number of cells."""

    largest: int
    seconds: Callable[[int], float]


def _plan(cells: list[Cell]) -> _Plan:
    try:
        stack = stack_of(cells)
        examples = len(stack.dataset.load().train)
        return _Plan(stack.largest(examples), partial(stack.seconds, examples))
    except Exception:  # noqa: BLE001  run_stack raises it again and records it
        return _Plan(len(cells), lambda _: 0.0)


def _failed(cell: Cell, error: Exception, seconds: float) -> Ends:
    write_failure(cell, error, seconds)
    log.error("cell %s failed: %s (%s)", cell.id, error, cell.folder.traceback)
    return {cell.id: "failed"}


def _on_gpu(group: list[Cell]) -> bool:
    return group[0].config["trainer"]["accelerator"] != "cpu" and torch.cuda.is_available()


def _title(cells: Sequence[Cell]) -> str:
    """The stack that has just finished, for the progress line."""
    shown = cells[0].axes
    keys = ("data", "loss", "activation", "model.depth", "model.width")
    known = [key for key in keys if shown[key] is not None]
    return " ".join(f"{key.removeprefix('model.')}={shown[key]}" for key in known)
