"""What a stack takes of a device is given back at once, without the garbage collector."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from tests.app.composing import cell, trained, vary

from experiments.training.module import StackModule

#: the attributes of a module that hold memory of the device
HOLDERS = ("engine", "recorder", "data", "optimizer", "parameter_home")


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
        found.extend(map(weakref.ref, self.parameter_home.values.blocks))

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
