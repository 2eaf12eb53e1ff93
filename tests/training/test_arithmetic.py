"""Every arithmetic a run can be told to use, and what the record says about it."""

import math

import numpy as np
import pytest
import torch
from tests.app.composing import cell, trained, vary

from experiments.app.build import stack_of
from experiments.core import compiled
from experiments.core.errors import ConfigurationError
from experiments.training.settings import PRECISIONS
from experiments.training.stack import Stack

#: relative difference of the loss after ten steps from that in float64
TOLERANCES = {"64-true": 0, "32-true": 1e-5, "bf16-true": 0.05, "16-true": 0.01, "bf16-mixed": 0.02}
DTYPES = {"64-true": torch.float64, "bf16-true": torch.bfloat16, "16-true": torch.float16}
SHORT = ("trainer.max_steps=10", "probe=ledger", "optimizer.lr=0.05")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_trains(precision) -> None:
    """A stack and its ledger come out, in the type asked for, near the float64 numbers."""
    cells = vary(cell(*SHORT, f"trainer.precision={precision}"), {"seed": (0, 1)})
    exact = trained(vary(cell(*SHORT, "trainer.precision=64-true"), {"seed": (0, 1)}))
    for found, wanted in zip(trained(cells), exact, strict=True):
        assert found.status == "finished"
        assert found.facts["precision"] == precision
        (dtype,) = {parameter.dtype for parameter in found.state.values()}
        assert dtype == DTYPES.get(precision, torch.float32)
        loss, reference = found.metrics["train/loss"], wanted.metrics["train/loss"]
        assert loss == pytest.approx(reference, rel=TOLERANCES[precision])
        assert len(found.recorded) == 2


@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "bf16-mixed"])
def test_half_precision_records_a_vanished_gradient(precision) -> None:
    """Where the type holds zeros, the log10 of the norm is finite all the same."""
    deep = ("model.depth=40", "activation=sigmoid", "initializer=gaussian")
    outcome = trained([cell(*SHORT, *deep, f"trainer.precision={precision}")])[0]
    columns = outcome.ledger(_columns())
    assert columns["delta_norm"][0] == 0 or columns["delta_norm"][0] < 1e-15
    assert math.isfinite(columns["log10_delta_norm"][0])


def _columns() -> tuple[str, ...]:
    return stack_of([cell(*SHORT)]).ledger.columns


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("mode", ["flush", "keep"])
def test_subnormal_numbers_are_flushed_on_purpose_and_said_so(mode, before) -> None:
    """The choice is a fact of the record, and after the run the process has its own again."""
    torch.set_flush_denormal(before)
    try:
        outcome = trained([cell("trainer.max_steps=1", f"trainer.subnormals={mode}")])[0]
        assert outcome.facts["subnormals"] == mode
        smallest = torch.tensor(2.0**-140)
        assert ((smallest * 1).item() == 0) == before, "the setting has leaked out of the run"
    finally:
        torch.set_flush_denormal(False)


def test_the_default_type_does_not_leak() -> None:
    """A float64 run leaves torch's default type as it was."""
    before = torch.get_default_dtype()
    trained([cell("trainer.max_steps=1", "trainer.precision=64-true")])
    assert torch.get_default_dtype() == before


def test_a_deterministic_run_repeats_bit_for_bit() -> None:
    """The same cell twice gives the same numbers to the last bit."""
    one = cell("trainer.deterministic=true", "optimizer=adam")
    first, second = trained([one])[0], trained([one])[0]
    assert first.history == second.history
    assert all(torch.equal(first.state[name], second.state[name]) for name in first.state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_training_leaves_the_random_state_alone() -> None:
    """No run draws from torch's global generator."""
    before = torch.get_rng_state()
    trained([cell("trainer.max_steps=3", "probe=ledger")])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "elu", "selu", "relu"])
def test_compiled_activations_train_the_same(activation) -> None:
    """A stack, its ledger and its record: the same to rounding, and the record says which it was."""
    shared = (f"activation={activation}", "trainer.precision=64-true", "probe=ledger")
    found, expected = (
        trained(vary(cell(*shared, f"trainer.numba={mode}"), {"seed": (0, 1)}))
        for mode in ("always", "never")
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.facts["compiled"] == (activation != "relu")
        assert ours.facts["compiled_sums"]
        assert not any(theirs.facts[what] for what in ("compiled", "compiled_sums"))
        for name in ours.history:
            assert ours.history[name] == pytest.approx(theirs.history[name], rel=1e-9)
        for column, numbers in ours.ledger(_columns()).items():
            assert numbers == pytest.approx(
                theirs.ledger(_columns())[column], rel=1e-7, nan_ok=True
            )


@pytest.mark.parametrize(
    ("overrides", "rates"),
    [
        (("model.depth=1",), (0.1, 0.2)),
        (("model.hidden=[5,5,7,5,5]",), (0.1, 0.2)),
        (("model.depth=0",), (0.1, 0.2)),
        (("model.depth=60", "model.width=3", "activation=sigmoid"), (0.1, 0.2)),
        (("model.depth=12", "trainer.precision=32-true"), (0.1, 0.2)),
        (("trainer.l1=0.01", "trainer.l2=0.1", "optimizer=momentum"), (0.1, 0.2)),
        (("loss=squared_error", "activation=elu"), (1e200, 0.1)),
        (("trainer.patience=1", "trainer.evaluations=10"), (0.0, 0.1)),
    ],
    ids=str,
)
def test_compiled_sums_make_the_same_ledger(overrides, rates, monkeypatch) -> None:
    """To rounding: with tiny and overflown norms, penalties, runs that leave."""
    shared = ("trainer.precision=64-true", "probe=ledger", "probe.every=3", *overrides)
    cells = vary(cell(*shared, "trainer.numba=always"), {"optimizer.lr": rates})
    found = {}
    for sums in (True, False):
        monkeypatch.setattr(Stack, "wants_compiled_sums", lambda *_, sums=sums: sums)
        found[sums] = trained(cells)
    for ours, theirs in zip(found[True], found[False], strict=True):
        assert (ours.status, ours.steps) == (theirs.status, theirs.steps)
        assert [step for step, _ in ours.recorded] == [step for step, _ in theirs.recorded]
        # in float32 means of both signs lose digits
        rtol, atol = (1e-5, 1e-7) if "trainer.precision=32-true" in overrides else (1e-12, 1e-300)
        for (step, mine), (_, wanted) in zip(ours.recorded, theirs.recorded, strict=True):
            np.testing.assert_allclose(mine, wanted, rtol, atol, err_msg=f"step {step}")


@pytest.mark.parametrize(
    ("overrides", "compiles"),
    [
        (("trainer.max_steps=10000000",), True),
        (("trainer.max_steps=10000000", "activation=relu"), True),
        (("trainer.max_steps=10000000", "probe.quantities=[]"), False),
        (("trainer.max_steps=10000000", "probe.every=null"), False),
        (("trainer.max_steps=10000000", "probe.every=1000000"), False),
        (("trainer.max_steps=10000000", "trainer.precision=bf16-true"), False),
        (("trainer.max_steps=10000000", "trainer.threads=2"), False),
        (("trainer.max_steps=10000000", "trainer.numba=never"), False),
        ((), False),
        (("trainer.numba=always",), True),
    ],
    ids=str,
)
@pytest.mark.parametrize("wide", [False, True])
def test_sums_are_compiled_where_that_repays(overrides, compiles, wide, monkeypatch) -> None:
    """Where records are many, on a processor without AVX-512, or it is asked for."""
    monkeypatch.setattr("experiments.training.stack.WIDE", wide)
    stack = stack_of([cell("probe=ledger", "probe.every=1", *overrides)])
    always = "trainer.numba=always" in overrides
    assert stack.wants_compiled_sums(1257) == (always if wide else compiles)


@pytest.mark.parametrize("mode", ["never", "always"])
def test_a_recorded_step_takes_sums_and_others_do_not(mode, monkeypatch) -> None:
    """Six quantities of three layers, and unless it is the last record their changes."""
    called, loop = [], compiled.row_totals
    monkeypatch.setattr(compiled, "row_totals", lambda *given: (called.append(1), loop(*given)))
    outcomes = trained([cell("probe=ledger", "probe.every=10", f"trainer.numba={mode}")])
    records = len(outcomes[0].recorded)
    assert records == 4
    assert len(called) == (mode == "always") * (records * 6 * 3 + (records - 1) * 3)


@pytest.mark.parametrize(
    ("overrides", "compiles"),
    [
        ((), False),
        (("trainer.max_steps=10000000",), True),
        (("trainer.max_steps=10000000", "trainer.threads=2"), False),
        (("trainer.max_steps=10000000", "trainer.numba=never"), False),
        (("trainer.max_steps=10000000", "activation=relu"), False),
        (("trainer.max_steps=10000000", "trainer.precision=bf16-true"), False),
        (("trainer.numba=always",), True),
    ],
    ids=str,
)
def test_a_long_training_is_compiled(overrides, compiles, monkeypatch) -> None:
    """By itself only where it repays the second that compiling takes, on a processor without AVX-512."""
    monkeypatch.setattr("experiments.training.stack.WIDE", False)
    assert stack_of([cell(*overrides)]).wants_compiled(1257) == compiles
    monkeypatch.setattr("experiments.training.stack.WIDE", True)
    wanted = "trainer.numba=always" in overrides
    assert stack_of([cell(*overrides)]).wants_compiled(1257) == wanted


def test_numba_is_asked_for_before_anything_is_trained(monkeypatch) -> None:
    """trainer.numba=always without it is refused; left alone, training goes on without, and says why."""
    for module in ("experiments.core.operations", "experiments.training.stack"):
        monkeypatch.setattr(f"{module}.compiler_problem", lambda: "a broken Numba")
    monkeypatch.setattr("experiments.training.stack.WIDE", False)
    with pytest.raises(ConfigurationError, match=r"found a broken Numba; .*trainer\.numba=never"):
        trained([cell("trainer.numba=always")])
    long = stack_of([cell("trainer.max_steps=10000000")])
    with pytest.warns(UserWarning, match="found a broken Numba: activations are not compiled"):
        assert not long.wants_compiled(1257)
    monkeypatch.setattr("experiments.training.stack.has_compiler", lambda: False)
    assert not long.wants_compiled(1257)
