"""The 2-2-3-1 tutorial."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from experiments.activations import Sigmoid
from experiments.backprop import tutorial_network, walkthrough
from experiments.initializers import Glorot
from experiments.losses import HalfSquaredError
from experiments.models import MLP

F64 = torch.float64
SCRIPT = Path(__file__).parents[2] / "scripts" / "step_through.py"


def test_the_script_prints_the_published_numbers(capsys, monkeypatch):
    """scripts/step_through.py shows a^L, both orders of the input gradient, and the tape's."""
    monkeypatch.setattr(sys, "argv", [str(SCRIPT)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    shown = capsys.readouterr().out
    assert "a_1^[4] = sigmoid(+1.340465) = 0.792566" in shown
    assert shown.count("(0.000169416192, 0.00165002106)") == 4
    assert "forward mode: 2 passes" in shown
    assert "reverse mode: 1 pass" in shown


def test_the_network_is_not_changed():
    """The update is shown and not made."""
    net = tutorial_network()
    before = [p.clone() for p in net.parameters()]
    x, t = torch.tensor([[0.1, 0.5]], dtype=F64), torch.tensor([[1.0]], dtype=F64)
    assert len(list(walkthrough(net, x, t, HalfSquaredError()))) > 40
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_the_costs_slope_is_shown_where_the_derivative_is_0():
    """An output at z = -800: sigma' is 0 in float64, and dC/da is still a - t = -1."""
    net = tutorial_network()
    with torch.no_grad():
        net.biases[-1].fill_(-800.0)
    x, t = torch.tensor([[0.1, 0.5]], dtype=F64), torch.tensor([[1.0]], dtype=F64)
    assert "dC/da (-1.000000)" in "\n".join(walkthrough(net, x, t, HalfSquaredError()))


def test_one_example_at_a_time():
    """A batch is refused, since nobody can read it."""
    x, t = torch.zeros(2, 2, dtype=F64), torch.zeros(2, 1, dtype=F64)
    with pytest.raises(ValueError, match="found 2 examples; expected one example"):
        list(walkthrough(tutorial_network(), x, t, HalfSquaredError()))
    stack = MLP((2, 2, 1), Sigmoid(), Glorot(), runs=2, seed=0).double()
    with pytest.raises(ValueError, match="found a stack of runs=2 networks; expected one network"):
        list(walkthrough(stack, x[:1], t[:1], HalfSquaredError()))
