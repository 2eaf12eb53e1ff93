"""The first steps against torch's own layers, autograd and optimisers on the same batches."""

import functools
import math

import numpy as np
import pytest
import torch
from tests.app.composing import cell, options, room, trained, vary
from tests.oracles import training as oracle
from tests.training.test_equal_to_alone import every_option_once

from experiments.app.build import stack_of
from experiments.training.batches import BatchOrder
from experiments.training.cells import Cell
from experiments.training.outcome import Outcome

STEPS = 20
#: the mean loss between two evaluations is then one batch's loss
STEP_BY_STEP = (
    "trainer.precision=64-true",
    f"trainer.max_steps={STEPS}",
    f"trainer.evaluations={STEPS}",
)


def by_torch(one: Cell) -> tuple[list[float], oracle.Network]:
    """The losses that a torch user would see, and the network that comes out."""
    stack, config = stack_of([one]), one.config
    start = {name: p[0].detach() for name, p in stack.build().named_parameters()}
    activation, numbers = room(config["activation"])
    network = oracle.Network(start, activation, **numbers)
    loss, numbers = room(config["loss"])
    split = stack.dataset.load().train
    x, t = split.x.to(stack.dtype), split.t
    order = BatchOrder(config["seed"], len(split), config["trainer"]["batch_size"])
    losses = oracle.descend(
        network,
        functools.partial(oracle.cost, loss, **numbers),
        [(x[i], t[i]) for i in order.take(config["trainer"]["max_steps"])],
        *room(config["optimizer"]),
        l1=config["trainer"]["l1"],
        l2=config["trainer"]["l2"],
    )
    return losses, network


def batch_losses(outcome: Outcome) -> list[float]:
    """Every step's loss; the history begins with that of the whole split."""
    return outcome.history["train/loss"][1:]


def assert_follows_torch(one: Cell) -> None:
    """Every batch loss and the final weights are those of the loop over torch's functions."""
    outcome = trained([one])[0]
    losses, network = by_torch(one)
    np.testing.assert_allclose(batch_losses(outcome), losses, rtol=1e-10)
    assert outcome.state is not None
    for k, (W, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        for part, leaf in (("weight", W), ("bias", b)):
            found = outcome.state[f"layers.{k}.{part}"]
            torch.testing.assert_close(found, leaf.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("row", every_option_once(), ids="-".join)
def test_every_option_follows_torch(row) -> None:
    """The losses and weights of 20 steps are those of a loop over torch's own functions."""
    assert_follows_torch(cell(*row, *STEP_BY_STEP))


@pytest.mark.slow
@pytest.mark.parametrize("head", options("head"))
def test_every_loss_on_every_link_follows_torch(head) -> None:
    """Loss and link together are torch's own functions composed."""
    assert_follows_torch(cell(f"head={head}", "optimizer.lr=0.02", *STEP_BY_STEP))


@pytest.mark.parametrize("engine", ["recursion", "autograd"])
def test_penalties_follow_torch(engine) -> None:
    """L1 and L2 penalties enter the weights' gradients, and neither the biases' nor the loss."""
    penalties = ("trainer.l1=0.02", "trainer.l2=0.3", f"trainer.engine={engine}")
    assert_follows_torch(cell(*penalties, *STEP_BY_STEP))


@pytest.mark.parametrize(
    "settings",
    [(), ("optimizer=adam",), ("loss=mean_squared_error",), ("activation=relu",)],
    ids=lambda settings: "-".join(settings) or "plain",
)
def test_both_engines_take_the_same_steps(settings) -> None:
    """The recursions in reserved memory and autograd over the layers differ by rounding alone."""
    by_hand, by_graph = (
        trained([cell(*settings, *STEP_BY_STEP, f"trainer.engine={engine}")])[0]
        for engine in ("recursion", "autograd")
    )
    np.testing.assert_allclose(batch_losses(by_hand), batch_losses(by_graph), rtol=1e-12)
    for name, found in by_hand.state.items():
        torch.testing.assert_close(found, by_graph.state[name], rtol=1e-11, atol=1e-13)


def test_a_run_diverges_at_the_step_where_torch_does() -> None:
    """``diverged_at`` is the first step whose loss is not finite in a plain float64 loop."""
    like = cell(*STEP_BY_STEP, "loss=squared_error", "activation=relu", "initializer=he")
    cells = vary(like, {"optimizer.lr": (1e-3, 1e12, 1e-2), "seed": (0, 1, 2)})
    outcomes = trained(cells)
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged", "finished"]
    losses, _ = by_torch(cells[1])
    first = oracle.first_nonfinite(losses)
    assert first is not None
    assert 0 < first < STEPS
    assert outcomes[1].diverged_at == outcomes[1].steps == first
    assert not math.isfinite(outcomes[1].metrics["train/loss"])
