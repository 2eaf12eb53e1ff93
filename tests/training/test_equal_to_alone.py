"""A run in a stack gives the numbers that it gives alone."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.app.composing import cell, options, trained, vary

from experiments.app.build import stack_of
from experiments.core.dataset import Dataset, Split, Splits
from experiments.losses import MeanSquaredError
from experiments.training.cells import Cell
from experiments.training.outcome import Outcome
from experiments.training.train import train

SEEDS = (0, 7, 123)
#: precision -> largest relative difference after 200 steps
TOLERANCES = {"64-true": 1e-10, "32-true": 1e-4}
GROUPS = ("optimizer", "activation", "initializer", "loss")


def every_option_once() -> list[tuple[str, ...]]:
    """Option files of the four groups, dealt out so that each occurs at least once."""
    dealt = [options(group) for group in GROUPS]
    rows = max(len(names) for names in dealt)
    columns = [itertools.islice(itertools.cycle(names), rows) for names in dealt]
    return [
        tuple(f"{group}={name}" for group, name in zip(GROUPS, row, strict=True))
        for row in zip(*columns, strict=True)
    ]


def trajectory(outcome: Outcome) -> np.ndarray:
    """Everything that was measured on the way and at the end."""
    curves = [v for name, v in sorted(outcome.history.items()) if name != "step"]
    return np.array([*itertools.chain(*curves), *outcome.metrics.values()])


def assert_equal_to_alone(cells: Sequence[Cell], tolerance: float, which: Sequence[int]) -> None:
    """The cells ``which`` of a stack come out as each does without the others."""
    together = trained(cells)
    for k in which:
        alone = trained([cells[k]])[0]
        assert together[k].status == alone.status
        np.testing.assert_allclose(trajectory(together[k]), trajectory(alone), rtol=tolerance)
        for name, found in together[k].state.items():
            scale = float(alone.state[name].abs().max())
            torch.testing.assert_close(found, alone.state[name], rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("row", "precision"),
    [
        pytest.param(
            row,
            precision,
            id="-".join((*(part.partition("=")[2] for part in row), precision)),
            # one row in single precision is enough for every day
            marks=pytest.mark.slow if precision == "32-true" and number else (),
        )
        for precision in TOLERANCES
        for number, row in enumerate(every_option_once())
    ],
)
def test_every_option_in_a_stack_is_what_it_is_alone(row, precision) -> None:
    """200 steps of every optimiser, activation, initialiser and loss agree with the run alone."""
    like = cell(*row, f"trainer.precision={precision}", "trainer.max_steps=200")
    rate = like.config["optimizer"]["lr"]
    cells = vary(like, {"seed": SEEDS, "optimizer.lr": (rate / 5, rate / 2, rate / 3)})
    assert_equal_to_alone(cells, TOLERANCES[precision], which=[1])


@pytest.mark.parametrize(
    ("overrides", "each"),
    [
        (
            ["optimizer=momentum"],
            {
                "optimizer.lr": (0.1, 0.02, 0.0),
                "optimizer.momentum": (0.0, 0.9, 0.5),
                "optimizer.weight_decay": (0.1, 0.0, 0.01),
                "optimizer.dampening": (0.0, 0.5, 0.1),
            },
        ),
        (
            ["optimizer=adamw"],
            {"optimizer.weight_decay": (0.0, 0.5, 0.1), "optimizer.eps": (1e-8, 1e-3, 0.1)},
        ),
        (
            ["initializer=gaussian"],
            {"initializer.sigma_w": (0.5, 1.0, 2.0), "initializer.sigma_b": (0.0, 0.3, 1.0)},
        ),
        (["trainer.batch_size=null"], {}),
        (["trainer.batch_size=1000"], {}),
        (["trainer.sampling=replacement", "trainer.batch_size=200"], {}),
        (["trainer.l1=0.01", "trainer.l2=0.1"], {}),
        (["model.skip=true"], {}),
        (["model.normalize=true"], {}),
        (["model.hidden=[5,3,4]"], {}),
        (["model.depth=0"], {}),
        (["trainer.engine=autograd"], {}),
        (["trainer.numba=always"], {}),
    ],
    ids=lambda value: "-".join(value) or "seeds",
)
def test_every_setting_in_a_stack_is_what_it_is_alone(overrides, each) -> None:
    """A run's own numbers, and every way of sampling and connecting, mean in a stack what they mean."""
    like = cell(*overrides, "trainer.precision=64-true")
    assert_equal_to_alone(vary(like, {"seed": SEEDS, **each}), 1e-10, which=[0, 2] if each else [1])


@pytest.mark.slow
@pytest.mark.parametrize("head", options("head"))
def test_every_loss_on_every_link_in_a_stack_is_what_it_is_alone(head) -> None:
    """Loss and link together, 200 steps in float64."""
    like = cell(f"head={head}", "trainer.precision=64-true", "trainer.max_steps=200")
    cells = vary(like, {"seed": SEEDS, "optimizer.lr": (0.01, 0.02, 0.03)})
    assert_equal_to_alone(cells, 1e-10, which=[1])


@pytest.mark.parametrize("name", options("initializer"))
def test_the_start_is_exactly_that_of_the_run_alone(name) -> None:
    """Weights and biases are drawn bit for bit as the run alone draws them, whatever the scale."""
    cells = vary(cell(f"initializer={name}"), {"seed": SEEDS})
    together = stack_of(cells).build()
    for r, one in enumerate(cells):
        alone = stack_of([one]).build()
        for found, wanted in zip(together.parameters(), alone.parameters(), strict=True):
            assert torch.equal(found[r], wanted[0])


class Numbered(Dataset):
    """Each example's target is its number."""

    task = "regression"
    features = 2
    outputs = 1

    def load(self) -> Splits:
        t = torch.arange(20.0).unsqueeze(1)
        whole = Split(x=torch.zeros(20, 2), t=t)
        return Splits(train=whole, val=whole, test=whole)


class Listening(MeanSquaredError):  # noqa: N818  a loss, no exception
    """Remembers the targets of every training batch."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[torch.Tensor] = []

    def terms(self, z: torch.Tensor, t: torch.Tensor) -> Any:
        if t.shape[-2] < 20:
            self.heard.append(t.expand(z.shape).clone())
        return super().terms(z, t)


@pytest.mark.parametrize("sampling", ["shuffled", "replacement"])
def test_the_batches_are_exactly_those_of_the_run_alone(sampling) -> None:
    """Every run sees its own order, the same in a stack and alone, and not its neighbour's."""

    def batches(cells: Sequence[Cell]) -> torch.Tensor:
        ear = Listening()
        train(dataclasses.replace(stack_of(cells), loss=ear, dataset=Numbered()))
        return torch.stack(ear.heard, dim=1).squeeze(-1)

    like = cell("trainer.batch_size=7", f"trainer.sampling={sampling}")
    cells = vary(like, {"seed": SEEDS})
    together = batches(cells)
    assert together.shape == (3, 30, 7)
    for r, one in enumerate(cells):
        assert torch.equal(together[r], batches([one])[0])
    assert not torch.equal(together[0], together[1])
