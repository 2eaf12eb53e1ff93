"""What a stack takes of a device is given back at once, without the garbage collector."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.app.composing import cell, trained, vary

from experiments.app import run
from experiments.app.build import stack_of
from experiments.training.cells import Cell
from experiments.training.engine import RecursionEngine
from experiments.training.module import StackModule
from experiments.training.optimizers import ParameterBlocks
from experiments.training.stack import Stack

#: the attributes of a module that hold memory of the device
HOLDERS = ("steps", "orders", "data", "optimizer", "parameter_home")


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """Only reference counting gives anything back."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """What the modules hold at the end of their training, filled while they train."""
    found: list[weakref.ref[Any]] = []
    end = StackModule.on_train_end

    def watched(self: StackModule) -> None:
        end(self)
        for name in HOLDERS:
            one = getattr(self, name)
            found.append(weakref.ref(one))
        of_steps = (self.steps.engine, self.steps.recorder)
        found.extend(map(weakref.ref, (*of_steps, *self.parameter_home.values.blocks)))

    monkeypatch.setattr(StackModule, "on_train_end", watched)
    return found


def test_a_stack_that_was_trained_holds_nothing(monkeypatch) -> None:
    """Buffers, examples and parameters are gone when the outcomes are there."""
    taken = held(monkeypatch)
    outcomes = trained(vary(cell("probe=ledger"), {"seed": (0, 1)}))
    assert len(taken) > len(HOLDERS)
    assert [one() for one in taken] == [None] * len(taken)
    assert [outcome.status for outcome in outcomes] == ["finished", "finished"]
    assert all(outcome.state and outcome.recorded for outcome in outcomes)


def test_a_stack_that_failed_holds_nothing(monkeypatch) -> None:
    """Once its error has been dealt with."""
    taken = held(monkeypatch)
    watched = StackModule.on_train_end

    def fail(self: StackModule) -> None:
        watched(self)
        raise RuntimeError("stop here")

    monkeypatch.setattr(StackModule, "on_train_end", fail)
    with pytest.raises(RuntimeError, match="stop here") as failure:
        trained([cell("probe=ledger")])
    del failure
    assert len(taken) > len(HOLDERS)
    assert [one() for one in taken] == [None] * len(taken)


def test_who_leaves_gives_back_before_the_others_take(monkeypatch) -> None:
    """The stack's buffers, records and gradients are gone before those of the remaining runs are made."""
    taken: list[weakref.ref[Any]] = []
    alive: list[list[Any]] = []
    drop, copy = StackModule._compact, ParameterBlocks.select

    def watched(self: StackModule, keep: list[int]) -> None:
        home = self.parameter_home
        taken.extend(map(weakref.ref, (self.steps.engine, self.steps.recorder, home.gradients)))
        drop(self, keep)

    def look(self: ParameterBlocks, index: torch.Tensor) -> ParameterBlocks:
        alive.append([one() for one in taken])
        return copy(self, index)

    monkeypatch.setattr(StackModule, "_compact", watched)
    monkeypatch.setattr(ParameterBlocks, "select", look)
    like = cell("loss=squared_error", "activation=relu", "initializer=he", "probe=ledger")
    outcomes = trained(vary(like, {"optimizer.lr": (0.01, 1e20), "seed": (0, 1)}))
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged"]
    assert alive == [[None] * 3]


@pytest.mark.parametrize(
    ("error", "sizes"),
    [(torch.OutOfMemoryError("full"), [5, 3, 2, 1, 2]), (ValueError("wrong"), [5, 1, 1, 1, 1, 1])],
    ids=["out of memory", "another error"],
)
def test_a_failed_stack_is_gone_before_its_cells_are_run_again(
    error, sizes, monkeypatch, tmp_path
) -> None:
    """As two halves if the device was full, until they fit, else one by one; nothing is held meanwhile."""
    tried, failed = [], []
    step = RecursionEngine.__call__

    def two_fit(self: RecursionEngine, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        if self.net.runs > 2:
            failed.append(weakref.ref(self))
            raise type(error)(*error.args)
        return step(self, x, t)

    build = stack_of

    def watched(cells: list[Cell]) -> Stack:
        tried.append(len(cells))
        assert not any(one() for one in failed)
        return build(cells)

    monkeypatch.setattr(RecursionEngine, "__call__", two_fit)
    monkeypatch.setattr(run, "stack_of", watched)
    cells = vary(cell(runs_dir=tmp_path), {"seed": range(5)})
    assert set(run.run_stack(cells).values()) == {"finished"}
    assert tried == sizes


def test_a_run_that_fits_nowhere_has_failed(monkeypatch, tmp_path) -> None:
    """Halving ends at one run, whose traceback says what was missing."""

    def full(self: RecursionEngine, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("no memory left")

    monkeypatch.setattr(RecursionEngine, "__call__", full)
    cells = vary(cell(runs_dir=tmp_path), {"seed": (0, 1)})
    assert set(run.run_stack(cells).values()) == {"failed"}
    assert "no memory left" in cells[0].folder.traceback.read_text()
