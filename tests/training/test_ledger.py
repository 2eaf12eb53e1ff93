"""The gradient ledger against definitions, at initialisation and during training."""

import functools

import numpy as np
import pytest
import torch
from tests.app.composing import cell, options, room, trained, vary
from tests.oracles import ledger as oracle
from tests.oracles.backprop_high_precision import log10_norms
from tests.oracles.training import Network, cost

from experiments.app.build import stack_of
from experiments.training import below_floats
from experiments.training.batches import BatchOrder
from experiments.training.cells import Cell

EVERY = 7
DOUBLE = ("probe=ledger", "trainer.precision=64-true")


def weights_after(one: Cell, steps: int) -> dict[str, torch.Tensor]:
    """The parameters after so many steps, from a run that ends there."""
    shorter = vary(one, {"trainer.max_steps": [steps], "probe.every": [None]})
    state = trained(shorter)[0].state
    assert state is not None
    return state


def expected(one: Cell, step: int, update: bool) -> list[dict[str, float]]:
    """The record of one step, by the definitions."""
    stack = stack_of([one])
    activation, numbers = room(one.config["activation"])
    network = Network(weights_after(one, step), activation, **numbers)
    after = weights_after(one, step + 1) if update else None
    loss, numbers = room(one.config["loss"])
    split = stack.dataset.load().train
    size = one.config["trainer"]["batch_size"]
    index = BatchOrder(one.config["seed"], len(split), size).take(step + 1)[-1]
    return oracle.row(
        network,
        functools.partial(cost, loss, **numbers),
        split.x[index].to(stack.dtype),
        split.t[index],
        None if after is None else [after[f"layers.{k}.weight"] for k in range(len(after) // 2)],
    )


def assert_recorded(one: Cell, step: int, update: bool, found: dict[str, np.ndarray]) -> None:
    """All columns of one record, in every layer, are those of the definitions."""
    rows = expected(one, step, update)
    here = found["step"] == step
    np.testing.assert_array_equal(found["layer"][here], np.arange(len(rows)) + 2)
    assert set(found) == {"step", "layer", *rows[0]}
    for name in rows[0]:
        wanted = [row[name] for row in rows]
        np.testing.assert_allclose(
            found[name][here], wanted, rtol=1e-9, atol=1e-15, err_msg=f"{name} at step {step}"
        )


@pytest.mark.parametrize("activation", options("activation"))
def test_every_column_is_its_definition(activation) -> None:
    """At step 0, at a later step and at the end, for a run inside a stack."""
    settings = (f"activation={activation}", "trainer.max_steps=9", f"probe.every={EVERY}")
    cells = vary(cell(*DOUBLE, *settings, "initializer=gaussian"), {"seed": (4, 5)})
    found = trained(cells)[1].ledger(stack_of(cells).ledger.columns)
    assert sorted(set(found["step"].tolist())) == [0, EVERY, 9]
    for step, update in ((0, True), (EVERY, True), (9, False)):
        assert_recorded(cells[1], step, update, found)


@pytest.mark.parametrize(
    "settings",
    [
        ("optimizer=adamw", "optimizer.weight_decay=0.5"),
        ("trainer.l1=0.1", "trainer.l2=0.1"),
        ("trainer.engine=autograd",),
        ("loss=mean_squared_error", "loss.link=sigmoid"),
    ],
    ids="-".join,
)
def test_gradients_are_the_losses_and_updates_the_optimisers(settings) -> None:
    """Penalties and decay enter the update alone; both engines record the same."""
    if "trainer.l1=0.1" in settings:
        like = cell(*DOUBLE, *settings, "trainer.max_steps=0")
        assert_recorded(like, 0, False, trained([like])[0].ledger(stack_of([like]).ledger.columns))
    one = cell(*DOUBLE, *settings, "trainer.max_steps=3", "probe.every=2")
    found = trained([one])[0].ledger(stack_of([one]).ledger.columns)
    assert_recorded(one, 2, True, found)


@pytest.mark.parametrize("engine", ["recursion", "autograd"])
@pytest.mark.parametrize("every", ["null", "1", "4"])
def test_watching_changes_nothing(engine, every) -> None:
    """Every loss and every final weight is the same bits with the ledger and without."""
    settings = (f"trainer.engine={engine}", "trainer.evaluations=10", "trainer.max_steps=10")
    blind = trained(vary(cell(*settings, "probe=none"), {"seed": (0, 1)}))
    watched = trained(
        vary(cell(*settings, "probe=ledger", f"probe.every={every}"), {"seed": (0, 1)})
    )
    for one, other in zip(blind, watched, strict=True):
        assert one.history == other.history
        assert one.metrics == other.metrics
        assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)
    assert not blind[0].recorded


def test_zero_steps_measure_the_initial_state() -> None:
    """``max_steps=0`` draws, records and evaluates once, and updates nothing."""
    one = cell(*DOUBLE, "trainer.max_steps=0", "seed=3")
    outcome = trained([one])[0]
    found = outcome.ledger(stack_of([one]).ledger.columns)
    assert set(found["step"].tolist()) == {0}
    assert len(found["layer"]) == 3
    assert_recorded(one, 0, False, found)
    assert outcome.status == "finished"
    assert outcome.steps == 0
    assert outcome.history["step"] == [0.0]
    for name, parameter in stack_of([one]).build().named_parameters():
        assert torch.equal(outcome.state[name], parameter[0])


@pytest.mark.parametrize("batch", ["null", "5"])
def test_the_schedule(batch) -> None:
    """Records fall on 0, every k-th step and the end, whatever the batch."""
    one = cell(
        "probe=ledger", "probe.every=4", "trainer.max_steps=10", f"trainer.batch_size={batch}"
    )
    assert [step for step, _ in trained([one])[0].recorded] == [0, 4, 8, 10]


def test_overflow_is_counted_and_its_logarithm_known() -> None:
    """A net whose float32 activations overflow: entries are counted, log10 norms stay numbers."""
    wild = ("initializer=gaussian", "initializer.sigma_w=1e9", "activation=relu", "model.depth=8")
    one = cell("probe=ledger", *wild, "loss=half_squared_error")
    outcome = trained([one])[0]
    assert outcome.status == "diverged"
    assert outcome.diverged_at == 0
    found = outcome.ledger(stack_of([one]).ledger.columns)
    here = {name: column[found["step"] == 0] for name, column in found.items()}
    exact = cell("probe=ledger", *wild, "loss=half_squared_error", "trainer.precision=64-true")
    wide = trained([exact])[0].ledger(stack_of([exact]).ledger.columns)
    deltas = wide["log10_delta_norm"][wide["step"] == 0]
    assert (deltas > 40).all(), "beyond float32, within float64"
    assert (here["nonfinite"] > 0).all()
    np.testing.assert_allclose(here["log10_delta_norm"], deltas, atol=1e-4)
    weights = wide["log10_weight_gradient_norm"][wide["step"] == 0]
    np.testing.assert_allclose(here["log10_weight_gradient_norm"], weights, atol=1e-4)


def in_forty_digits(outcome, activation, split, index):
    """log10 norms of deltas and weight gradients, by the oracle, on a run's weights and one batch."""
    depth = len(outcome.state) // 2
    return log10_norms(
        [outcome.state[f"layers.{k}.weight"].tolist() for k in range(depth)],
        [outcome.state[f"layers.{k}.bias"].tolist() for k in range(depth)],
        [activation] * (depth - 1) + ["identity"],
        split.x[index].tolist(),
        torch.nn.functional.one_hot(split.t[index], 3).tolist(),
    )


@pytest.mark.parametrize("subnormals", ["flush", "keep"])
def test_a_gradient_below_all_floats_has_a_logarithm(subnormals) -> None:
    """Where float32 holds 0, log10 norms are those of 40-digit arithmetic on the same weights."""
    settings = ("initializer=gaussian", "initializer.sigma_w=0.01", "activation=sigmoid")
    one = cell(
        "probe=ledger",
        *settings,
        "model.depth=30",
        "loss=half_squared_error",
        "trainer.max_steps=0",
        f"trainer.subnormals={subnormals}",
    )
    outcome = trained([one])[0]
    found = outcome.ledger(stack_of([one]).ledger.columns)
    assert found["delta_norm"][0] == 0
    assert found["exact_zero"][0] == 1
    split = stack_of([one]).dataset.load().train
    index = BatchOrder(0, len(split), 16).take(1)[0]
    deltas, gradients = in_forty_digits(outcome, "sigmoid", split, index)
    assert deltas[0] < -60
    np.testing.assert_allclose(found["log10_delta_norm"], deltas, atol=1e-4)
    np.testing.assert_allclose(found["log10_weight_gradient_norm"], gradients, atol=1e-4)


@pytest.mark.parametrize("batch", ["null", "4"])
def test_only_some_runs_are_below_the_floats(batch) -> None:
    """In a stack every run has its own log10 norms, by its own weights, with shared data or not."""
    settings = ("initializer=gaussian", "loss=half_squared_error", "trainer.max_steps=0")
    like = cell("probe=ledger", *settings, "model.depth=16", f"trainer.batch_size={batch}")
    sizes = (1.0, 1e-3, 1.5, 2e-3)
    cells = vary(like, {"initializer.sigma_w": sizes, "seed": (0, 1, 2, 3)})
    columns = stack_of(cells).ledger.columns
    small = 0
    for one, outcome in zip(cells, trained(cells), strict=True):
        found = outcome.ledger(columns)
        split = stack_of([one]).dataset.load().train
        size = len(split) if batch == "null" else int(batch)
        index = (
            torch.arange(size)
            if batch == "null"
            else BatchOrder(one.config["seed"], len(split), size).take(1)[0]
        )
        deltas, gradients = in_forty_digits(outcome, "tanh", split, index)
        np.testing.assert_allclose(found["log10_delta_norm"], deltas, atol=1e-4)
        np.testing.assert_allclose(found["log10_weight_gradient_norm"], gradients, atol=1e-4)
        small += found["delta_norm"][0] < 1e-30
    assert small == 2


def test_a_ledger_without_logarithms_computes_none(monkeypatch) -> None:
    """The scaled recursion costs ten steps; it runs for the columns that need it."""

    def refused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(below_floats, "scaled_norms", refused)
    vanishing = ("initializer=gaussian", "initializer.sigma_w=1e-3", "model.depth=16")
    quantities = "probe.quantities=[{_target_:experiments.probes.quantities.Saturation}]"
    outcome = trained([cell("probe=ledger", *vanishing, quantities)])[0]
    assert outcome.recorded
    with pytest.raises(AssertionError):
        trained([cell("probe=ledger", *vanishing)])


@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_an_explosion_is_recorded_without_a_warning(precision) -> None:
    """Warnings are errors in these tests; numbers beyond the floats are infinite, none is NaN."""
    wild = ("initializer=gaussian", "initializer.sigma_w=1e30", "activation=relu", "model.depth=10")
    cells = vary(
        cell("probe=ledger", *wild, "loss=half_squared_error", f"trainer.precision={precision}"),
        {"initializer.sigma_w": (1e30, 1.0), "seed": (0, 1)},
    )
    exploded, tame = trained(cells)
    assert exploded.status == "diverged"
    columns = stack_of(cells).ledger.columns
    assert (exploded.ledger(columns)["nonfinite"][-1] > 0) or precision == "64-true"
    alone = trained([cells[1]])[0].ledger(columns)
    for name, values in tame.ledger(columns).items():
        np.testing.assert_allclose(values, alone[name], rtol=1e-4, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    "settings",
    [
        ("model.skip=true", "model.hidden=[6,5,6,5,6,5,6,5,6,5,6,5]", "initializer.sigma_w=1e-4"),
        ("model.normalize=true", "model.depth=30", "initializer.sigma_w=1e-6"),
    ],
    ids=["skip", "normalize"],
)
def test_networks_beyond_the_notes_are_recorded_too(settings) -> None:
    """Where the recursions do not apply, a gradient below all floats is a zero, and no failure."""
    vanishing = ("activation=sigmoid", "initializer=gaussian", "loss=half_squared_error")
    one = cell("probe=ledger", *vanishing, *settings)
    outcome = trained([one])[0]
    assert outcome.status == "finished"
    found = outcome.ledger(stack_of([one]).ledger.columns)
    assert found["delta_norm"][0] < 1e-30
    assert np.isfinite(found["delta_norm"]).all()


def test_the_derivative_of_a_normalised_layer_is_where_sigma_is_applied() -> None:
    """sigma' is taken at the normalised input, and delta belongs to z before it."""
    one = cell(*DOUBLE, "model.normalize=true", "model.depth=1", "trainer.max_steps=0")
    outcome = trained([one])[0]
    found = outcome.ledger(stack_of([one]).ledger.columns)
    split = stack_of([one]).dataset.load().train
    index = BatchOrder(0, len(split), 16).take(1)[0]
    x, t = split.x[index].double(), split.t[index]
    W, b, V, c = outcome.state.values()
    z = (x @ W.T + b).requires_grad_()
    u = torch.nn.functional.layer_norm(z, z.shape[-1:])
    loss = torch.nn.functional.cross_entropy(torch.tanh(u) @ V.T + c, t)
    (delta,) = torch.autograd.grad(loss, z)
    np.testing.assert_allclose(found["delta_norm"][0], delta.norm().item(), rtol=1e-10)
    slopes = 1 - torch.tanh(u.detach()) ** 2
    np.testing.assert_allclose(found["derivative_mean"][0], slopes.mean().item(), rtol=1e-10)
