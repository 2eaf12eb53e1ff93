"""Runs that leave a stack: diverged ones, and those whose loss has stopped falling."""

import csv
import dataclasses
import itertools
import math
import os
import signal

import numpy as np
import pytest
import torch
from tests.app.composing import cell, trained, vary

from experiments.app.build import stack_of
from experiments.training import module
from experiments.training.loggers import CSV
from experiments.training.outcome import Outcome
from experiments.training.train import train

FALLING = ("loss=squared_error", "activation=relu", "initializer=he")


def assert_same(found: Outcome, wanted: Outcome, tolerance: float) -> None:
    """The same course, end and weights."""
    assert found.status == wanted.status
    assert found.history["step"] == wanted.history["step"]
    for name, values in wanted.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=tolerance)
    for name, value in wanted.metrics.items():
        np.testing.assert_allclose(found.metrics[name], value, rtol=tolerance)
    for name, value in wanted.state.items():
        torch.testing.assert_close(found.state[name], value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("guilty", [0, 1, 2])
def test_a_diverging_run_does_not_touch_its_neighbours(guilty) -> None:
    """Wherever it lies in the stack, the others end as they end without it."""
    rates = [0.01, 0.02, 0.005]
    rates[guilty] = 1e15
    like = cell(*FALLING, "trainer.precision=64-true", "optimizer=momentum", "probe=ledger")
    cells = vary(like, {"optimizer.lr": rates, "seed": (0, 1, 2)})
    outcomes = trained(cells)
    assert outcomes[guilty].status == "diverged"
    for r in {0, 1, 2} - {guilty}:
        assert_same(outcomes[r], trained([cells[r]])[0], 1e-10)
        assert outcomes[r].diverged_at is None
        assert outcomes[r].steps == 30


def test_until_it_leaves_a_diverging_run_changes_no_bit() -> None:
    """Within one chunk of steps its neighbour's numbers are the same bits as with a tame run."""
    like = cell(*FALLING, "trainer.max_steps=5", "trainer.evaluations=1")
    tame = vary(like, {"optimizer.lr": (0.01, 0.01), "seed": (0, 1)})
    wild = vary(like, {"optimizer.lr": (0.01, 1e30), "seed": (0, 1)})
    calm, storm = trained(tame)[0], trained(wild)[0]
    assert calm.history["train/loss"] == storm.history["train/loss"]
    assert all(torch.equal(calm.state[name], storm.state[name]) for name in calm.state)


def test_all_runs_may_diverge() -> None:
    """A stack that empties ends without an error, and every run says when it was lost."""
    like = cell(*FALLING, "optimizer.lr=1e20", "trainer.max_steps=250", "probe=ledger")
    outcomes = trained(vary(like, {"seed": (0, 1)}))
    assert [outcome.status for outcome in outcomes] == ["diverged", "diverged"]
    for outcome in outcomes:
        assert 0 < outcome.diverged_at < 10
        assert outcome.history["step"] == [0.0]
        assert not math.isfinite(outcome.metrics["train/loss"])


def test_curves_end_with_the_divergence(tmp_path) -> None:
    """A logger is shown the records that the ledger keeps, and none of what came after the loss."""
    settings = ("optimizer.lr=1e20", "trainer.max_steps=50", "probe=ledger", "probe.every=1")
    cells = vary(cell(*FALLING, *settings), {"optimizer.lr": (1e20, 0.01), "seed": (0, 1)})
    writers = [[CSV().open(tmp_path / str(r))] for r in range(2)]
    outcomes = train(stack_of(cells), writers)
    assert outcomes[0].diverged_at < 10
    for r, outcome in enumerate(outcomes):
        writers[r][0].close()
        with (tmp_path / str(r) / "metrics.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["tag"] == "delta_norm/layer_02"]
        kept = outcome.ledger(stack_of(cells).ledger.columns)
        first = kept["layer"] == 2
        assert [int(row["step"]) for row in rows] == kept["step"][first].tolist()
        shown = [float(row["value"]) for row in rows]
        np.testing.assert_array_equal(shown, kept["delta_norm"][first])


def test_a_run_lost_in_its_last_step_has_diverged() -> None:
    """Weights that the final update made useless count, although every batch loss was finite."""
    one = cell(*FALLING, "trainer.max_steps=1", "trainer.evaluations=1", "optimizer.lr=1e30")
    outcome = trained([one])[0]
    assert outcome.status == "diverged"
    assert outcome.diverged_at == 1
    assert math.isfinite(outcome.history["train/loss"][-1])


@pytest.mark.parametrize("still", [0, 1, 2])
def test_a_run_that_stops_falling_leaves_and_the_others_go_on(still) -> None:
    """``patience`` evaluations without a fall end one run; its neighbours end as they do alone."""
    rates = [0.1, 0.05, 0.02]
    rates[still] = 0.0
    # a fall of rounding size is none: the first loss is summed in another order than the others
    patient = ("trainer.patience=2", "trainer.min_delta=1e-9", "trainer.evaluations=6")
    patient = (*patient, "trainer.batch_size=null")
    like = cell(*patient, "trainer.precision=64-true", "trainer.max_steps=60", "optimizer=adam")
    cells = vary(like, {"optimizer.lr": rates, "seed": (0, 1, 2)})
    outcomes = trained(cells)
    # evaluated at 0, 10, 20, ...: the loss is new at 0, and unchanged at 10 and 20
    assert outcomes[still].stopped_at == outcomes[still].steps == 20
    assert outcomes[still].status == "finished"
    assert outcomes[still].history["step"] == [0.0, 10.0, 20.0]
    start = stack_of([cells[still]]).build()
    for name, parameter in start.named_parameters():
        assert torch.equal(outcomes[still].state[name], parameter[0])
    for r in {0, 1, 2} - {still}:
        assert outcomes[r].stopped_at is None
        assert outcomes[r].steps == 60
        assert_same(outcomes[r], trained([cells[r]])[0], 1e-10)


@pytest.mark.parametrize("batch", ["16", "null"])
def test_who_stops_early_is_recorded_where_it_stopped(batch) -> None:
    """On its own next batch, which takes none from its neighbours."""
    patient = ("trainer.patience=2", "trainer.min_delta=1e-9", "trainer.evaluations=6")
    precise = ("trainer.precision=64-true", "trainer.max_steps=60", f"trainer.batch_size={batch}")
    like = cell(*patient, *precise, "probe=ledger", "optimizer.lr=0.1")
    cells = vary(like, {"optimizer.lr": (0.1, 0.0, 0.2), "seed": (0, 1, 2)})
    for found, one, last in zip(trained(cells), cells, (60, 20, 60), strict=True):
        (alone,) = trained([one])
        assert [step for step, _ in found.recorded] == [0, last]
        for (_, table), (_, expected) in zip(found.recorded, alone.recorded, strict=True):
            np.testing.assert_allclose(table, expected, rtol=1e-10)
        assert_same(found, alone, 1e-10)


def test_what_diverged_is_recorded_as_it_left() -> None:
    """Its last record counts the entries that are not finite; none of its neighbours' does."""
    like = cell(*FALLING, "probe=ledger", "trainer.evaluations=3")
    cells = vary(like, {"optimizer.lr": (0.01, 1e20), "seed": (0, 1)})
    tame, wild = trained(cells)
    assert [step for step, _ in tame.recorded] == [0, 30]
    assert [step for step, _ in wild.recorded] == [0, 10]
    assert wild.diverged_at < 10
    nonfinite = stack_of(cells).ledger.columns.index("nonfinite")
    assert (wild.recorded[-1][1][:, nonfinite] > 0).all()
    assert not any(table[:, nonfinite].any() for _, table in tame.recorded)


def test_the_noise_of_batches_stops_nobody() -> None:
    """A loss that falls at every look, though the mean over five small batches does not."""
    patient = ("trainer.patience=2", "trainer.evaluations=20", "trainer.max_steps=100")
    like = cell(*patient, "trainer.batch_size=8", "optimizer.lr=0.003", "model.depth=2")
    for outcome in trained(vary(like, {"seed": (0, 1, 2)})):
        means = outcome.history["train/loss"][1:]
        assert any(later > earlier for earlier, later in itertools.pairwise(means))
        assert outcome.stopped_at is None


def test_a_small_fall_does_not_count() -> None:
    """A fall below ``min_delta`` is none: with a huge one every run stops at the second chance."""
    like = cell("trainer.patience=1", "trainer.min_delta=100.0", "trainer.evaluations=3")
    assert trained([like])[0].stopped_at == 10


def test_without_patience_nothing_stops_early() -> None:
    """A run that does not learn still takes every step it was told to take."""
    outcome = trained([cell("optimizer.lr=0")])[0]
    assert outcome.stopped_at is None
    assert outcome.steps == 30


def test_the_seconds_of_all_runs_are_those_of_the_stack(monkeypatch) -> None:
    """A run that leaves early has its share of the time until then, the others divide the rest."""
    clock = itertools.count(100.0, 6.0)  # six seconds from one look to the next
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    patient = ("trainer.patience=1", "trainer.evaluations=3", "trainer.batch_size=null")
    cells = vary(cell(*patient), {"optimizer.lr": (0.01, 0.0, 0.01), "seed": (0, 1, 2)})
    outcomes = trained(cells)
    assert [outcome.stopped_at for outcome in outcomes] == [None, 10, None]
    assert [outcome.seconds for outcome in outcomes] == [2.0 + 3.0, 2.0, 2.0 + 3.0]


def test_a_share_is_freed() -> None:
    """When a run leaves, the stack's buffers, gradients and optimiser memory hold one run less."""
    sizes = []

    class Watching(type(stack_of([cell("optimizer=adam")]).optimizer())):  # type: ignore[misc]
        """Notes how many runs every step updates."""

        def update(self, parameter, gradient, memory, numbers):
            sizes.append((len(parameter), len(gradient), *(len(m) for m in memory.values())))
            super().update(parameter, gradient, memory, numbers)

    patient = ("trainer.patience=1", "trainer.min_delta=1e-4", "trainer.evaluations=3")
    like = cell(*patient, "trainer.batch_size=null", "optimizer=adam")
    cells = vary(like, {"optimizer.lr": (0.01, 0.0, 0.0), "seed": (0, 1, 2)})
    stack = stack_of(cells)
    maker = stack.optimizer
    train(dataclasses.replace(stack, optimizer=lambda: Watching(*maker.args, **maker.keywords)))
    assert {number for row in sizes for number in row} == {3, 1}
    assert set(sizes[0]) == {3}
    assert set(sizes[-1]) == {1}


@pytest.mark.parametrize("threads", [1, 2, None])
def test_the_process_has_its_threads_back(threads) -> None:
    """What a stack is told of threads holds for that stack; null takes what the process has."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        (one,) = vary(cell("trainer.max_steps=1"), {"trainer.threads": (threads,)})
        assert trained([one])[0].facts["threads"] == (threads or 3)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_process_that_is_told_to_end_says_so_by_its_status() -> None:
    """Lightning's own exit has none, as if training were over; the handler is the one from before."""

    class Telling:
        def scalars(self, step, numbers) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ending:
        train(stack_of([cell("trainer.max_steps=500")]), [[Telling()]])
    assert ending.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before
