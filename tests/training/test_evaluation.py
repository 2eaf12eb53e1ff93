"""Loss and accuracy on a whole split."""

import pytest
import torch
from tests.app.composing import cell, trained, vary

from experiments.activations import Tanh
from experiments.app.build import stack_of
from experiments.initializers import Glorot
from experiments.models import MLP
from experiments.probes.metrics import LargestError, WorstClass
from experiments.training import evaluation, module
from experiments.training.evaluation import evaluate


@pytest.mark.parametrize("piece", [1, 50, 2**23])
def test_the_cut_does_not_matter(monkeypatch, piece) -> None:
    """A split measured example by example gives the means of the split measured at once."""
    stack = stack_of(vary(cell("trainer.precision=64-true"), {"seed": (0, 1)}))
    net, split = stack.build(), stack.dataset.load().test
    x = split.x.double()
    wanted = [torch.nn.functional.cross_entropy(out, split.t) for out in net(x).detach()]
    right = [(out.argmax(-1) == split.t).double().mean() for out in net(x).detach()]
    monkeypatch.setattr(evaluation, "CPU_PIECE", piece)
    found = evaluate(net, stack.loss, type(split)(x, split.t), "classification", {})
    torch.testing.assert_close(found["loss"], torch.stack(wanted))
    torch.testing.assert_close(found["accuracy"], torch.stack(right))


def test_a_regression_has_no_accuracy_and_an_empty_split_no_mean() -> None:
    """Both are NaN, which says unknown, and not a number that could be read as bad."""
    stack = stack_of([cell()])
    net, split = stack.build(), stack.dataset.load().train
    metrics = {"largest": LargestError(), "worst": WorstClass()}
    found = evaluate(net, stack.loss, split, "regression", metrics)
    assert found["accuracy"].isnan().all()
    assert found["worst"].isnan().all()
    assert found["largest"].isfinite().all()
    assert found["loss"].isfinite().all()
    empty = evaluate(net, stack.loss, type(split)(split.x[:0], split.t[:0]), "classification", {})
    assert empty["loss"].isnan().all()
    assert empty["accuracy"].isnan().all()


def test_a_single_network_is_no_stack() -> None:
    """It says how to build one."""
    stack = stack_of([cell()])
    split = stack.dataset.load().train
    net = MLP(stack.widths, Tanh(), Glorot())
    with pytest.raises(ValueError, match=r"found a single network; .* runs=1"):
        evaluate(net, stack.loss, split, "classification", {})


@pytest.mark.parametrize("steps", [0, 30])
def test_a_split_is_measured_once_between_two_updates(monkeypatch, steps) -> None:
    """First loss, patience, curves and final metrics ask for the same numbers; all are up to date."""
    seen = []

    def watching(net, loss, split, task, metrics):
        weights = tuple(parameter.double().sum().item() for parameter in net.parameters())
        seen.append((split, weights))
        return evaluate(net, loss, split, task, metrics)

    monkeypatch.setattr(module, "evaluate", watching)
    one = cell("trainer.patience=9", f"trainer.max_steps={steps}", "trainer.evaluations=3")
    outcome = trained([one])[0]
    points = len(outcome.history["step"])
    assert points == (4 if steps else 1)
    assert len(seen) == 2 * points + 1  # train and val at every point, test at the end
    assert len({(id(split), weights) for split, weights in seen}) == len(seen)
    assert outcome.metrics["val/loss"] == outcome.history["val/loss"][-1]
