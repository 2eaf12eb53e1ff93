"""Gradient descent by the recursion, step by step against autograd and published numbers."""

from itertools import islice

import numpy as np
import pytest
import torch
from tests.backprop.networks import close, mixed

from experiments.activations import Sigmoid, Tanh
from experiments.backprop import fit
from experiments.backprop.examples import AHEAD, drawn
from experiments.core.errors import ConfigurationError
from experiments.core.seeding import SHUFFLING, stream
from experiments.initializers import Gaussian, Glorot
from experiments.losses import BinaryCrossEntropy, CrossEntropy, HalfSquaredError
from experiments.models import MLP

F64 = torch.float64


def by_autograd(net, batches, loss, lr, l1=0.0, l2=0.0):
    """The same updates through autograd; lr, l1 and l2 are numbers or one per run."""

    def column(value, like):
        value = torch.as_tensor(value, dtype=like.dtype)
        return value.view(-1, *[1] * (like.dim() - 1)) if value.dim() else value

    for x, t in batches:
        weights, biases = net.weights, net.biases
        cost = loss(net(x), t)
        gradients = torch.autograd.grad(cost.sum(), [*weights, *biases])
        with torch.no_grad():
            for k, (p, g) in enumerate(zip([*weights, *biases], gradients, strict=True)):
                step = g.clone()
                if k < len(weights):
                    step += column(l1, p) * p.sign() + column(l2, p) * p
                p -= column(lr, p) * step


def indices(method, examples, batch, seeds, steps):
    """The examples that ``fit`` will draw, (runs, batch) a step."""
    found = []
    for part in drawn(method, examples, batch, [stream(s, SHUFFLING) for s in seeds]):
        found += part.unbind(0)
        if len(found) >= steps:
            return found[:steps]
    raise AssertionError


@pytest.mark.parametrize("runs", [None, 3])
@pytest.mark.parametrize(
    ("method", "batch_size"), [("full", None), ("stochastic", None), ("mini-batch", 5)]
)
@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_every_step_is_autograds(runs, method, batch_size, penalty):
    """After 40 steps, parameters equal those of the autograd path to 1e-11; any method, any penalty."""
    x, t = torch.randn(12, 4, dtype=F64), torch.randint(3, (12,))
    lr = 0.1 if runs is None else [0.05, 0.1, 0.2]
    seeds = [7] if runs is None else [7, 8, 9]
    ours, theirs = mixed(2, runs=runs), mixed(2, runs=runs)
    fit(
        ours,
        x,
        t,
        CrossEntropy(),
        lr,
        steps=40,
        method=method,
        batch_size=batch_size,
        l1=penalty,
        l2=2 * penalty,
        seed=7,
    )
    if method == "full":
        batches = [(x, t)] * 40
    else:
        drawn_indices = indices(method, 12, batch_size or 1, seeds, 40)
        chosen = [i[0] if runs is None else i for i in drawn_indices]
        batches = [(x[i], t[i]) for i in chosen]
    by_autograd(theirs, batches, CrossEntropy(), lr, l1=penalty, l2=2 * penalty)
    assert close(ours.weights, theirs.weights, 1e-11)
    assert close(ours.biases, theirs.biases, 1e-11)


def test_a_run_of_a_stack_is_the_run_alone():
    """Parameters, costs and draws of run r are those of a fit with run r's seed alone."""
    x, t = torch.randn(12, 4, dtype=F64), torch.randn(12, 3, dtype=F64)
    settings = {"steps": 30, "method": "mini-batch", "batch_size": 5, "l2": 0.01}
    stack = mixed(2, runs=3, seed=4)
    together = fit(stack, x, t, HalfSquaredError(), lr=0.1, seed=[5, 6, 7], **settings)
    for r in range(3):
        alone = mixed(2, seed=4 + r)
        its = fit(alone, x, t, HalfSquaredError(), lr=0.1, seed=5 + r, **settings)
        assert together.steps == its.steps
        assert torch.allclose(together.losses[:, r], its.losses, rtol=1e-12)
        assert close([W[r] for W in stack.weights], alone.weights, 1e-12)


#: Nielsen (2015), chapter 3: a neuron, x = 1 and t = 0, 300 steps: loss, eta, start, a, and w, b after
NEURONS = [
    (HalfSquaredError(link="sigmoid"), 0.15, (0.6, 0.9), 0.0939556949, (-1.28313243, -0.98313243)),
    (HalfSquaredError(link="sigmoid"), 0.15, (2.0, 2.0), 0.2028484243, (-0.68429291,) * 2),
    (BinaryCrossEntropy(), 0.15, (0.6, 0.9), 0.0116382090, None),
    (BinaryCrossEntropy(), 0.15, (2.0, 2.0), 0.0120087415, None),
    (BinaryCrossEntropy(), 0.005, (0.6, 0.9), 0.4176792996, None),
    (BinaryCrossEntropy(), 0.005, (2.0, 2.0), 0.7795870642, None),
]


@pytest.mark.parametrize(("loss", "lr", "start", "answer", "after"), NEURONS)
def test_nielsens_neuron(loss, lr, start, answer, after):
    """One neuron learns to answer 0, to the digits of the stated update."""
    net = MLP((1, 1), Sigmoid(), Glorot(), seed=0).double()
    with torch.no_grad():
        net.weights[0].fill_(start[0])
        net.biases[0].fill_(start[1])
    x, t = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)
    fit(net, x, t, loss, lr=lr, steps=300)
    assert float(torch.sigmoid(net(x).detach())) == pytest.approx(answer, abs=1e-8)
    if after is not None:
        found = (net.weights[0].item(), net.biases[0].item())
        assert found == pytest.approx(after, abs=1e-8)


def test_costs_are_recorded_where_asked():
    """At 0, every so many steps and at the end; each is C over the whole data set."""
    net = mixed(1)
    x, t = torch.randn(10, 4, dtype=F64), torch.randn(10, 3, dtype=F64)
    before = HalfSquaredError()(net(x), t).detach()
    went = fit(net, x, t, HalfSquaredError(), lr=0.01, steps=25, method="stochastic")
    assert went.steps == [0, 10, 20, 25]
    assert torch.allclose(went.losses[0], before)
    assert torch.allclose(went.losses[-1], HalfSquaredError()(net(x), t).detach())
    assert int(went.updates) == 25
    again = fit(net, x, t, HalfSquaredError(), lr=0.01, epochs=2, method="mini-batch", batch_size=4)
    assert again.steps == [0, 3, 6]
    every = fit(net, x, t, HalfSquaredError(), lr=0.01, epochs=4, record_every=3)
    assert every.steps == [0, 3, 4]


def test_it_stops_when_the_cost_stabilises():
    """Every run stops by itself and stays where it stopped; the others go on."""
    stack = MLP((3, 1), Tanh(), Glorot(), runs=2, seed=0).double()
    x = torch.randn(20, 3, dtype=F64)
    t = x @ torch.ones(3, 1, dtype=F64) + torch.randn(20, 1, dtype=F64)
    went = fit(stack, x, t, HalfSquaredError(), lr=[0.5, 0.05], steps=500, tolerance=1e-3)
    fast, slow = went.updates.tolist()
    assert went.stabilised.all()
    assert fast < slow < 500
    assert went.steps[-1] == slow
    alone = MLP((3, 1), Tanh(), Glorot(), seed=0).double()
    fit(alone, x, t, HalfSquaredError(), lr=0.5, steps=fast)
    assert torch.allclose(stack.weights[0][0], alone.weights[0], rtol=1e-12)
    patient = MLP((3, 1), Tanh(), Glorot(), seed=0).double()
    waited = fit(patient, x, t, HalfSquaredError(), lr=0.5, steps=500, tolerance=1e-3, patience=4)
    assert int(waited.updates) == fast + 3


def test_divergence_is_an_outcome():
    """A rate that is far too large gives costs that are not finite, for that run alone."""
    stack = MLP((4, 8, 3), Tanh(), Glorot(), runs=2, seed=0)
    x, t = torch.randn(10, 4), torch.randn(10, 3)
    went = fit(stack, x, t, HalfSquaredError(), lr=[0.05, 1e6], steps=60, tolerance=0.0)
    assert torch.isfinite(went.losses[:, 0]).all()
    assert not torch.isfinite(went.losses[-1, 1])
    assert went.losses[-1, 0] < went.losses[0, 0]
    assert not went.stabilised[1]


def test_parameters_stay_where_they_were():
    """Parameter objects and their memory are those of before: nobody else's reference goes stale."""
    net = mixed(2)
    parameters = [*net.weights, *net.biases]
    homes = [p.data_ptr() for p in parameters]
    x = torch.randn(6, 4, dtype=F64)
    fit(net, x, torch.zeros(6, dtype=torch.long), CrossEntropy(), lr=0.1, steps=3)
    assert [p.data_ptr() for p in [*net.weights, *net.biases]] == homes
    assert all(p is q for p, q in zip(parameters, [*net.weights, *net.biases], strict=True))
    with pytest.raises(ValueError, match="class indices"):
        fit(net, x, torch.full((6,), 9), CrossEntropy(), lr=0.1, steps=3)
    assert [p.data_ptr() for p in [*net.weights, *net.biases]] == homes


def test_whole_numbers_may_be_numpys() -> None:
    """Steps, a batch size and a seed as NumPy has them are the same descent."""
    x, t = torch.randn(7, 4, dtype=F64), torch.randn(7, 3, dtype=F64)
    went = [
        fit(mixed(1), x, t, HalfSquaredError(), 0.1, steps=kind(4), method="mini-batch",
            batch_size=kind(3), seed=kind(5))
        for kind in (int, np.int64)
    ]  # fmt: skip
    assert went[0].steps == went[1].steps
    assert torch.equal(went[0].losses, went[1].losses)


def test_drawing_with_replacement_and_without():
    """A stochastic step draws every example equally often; an epoch of batches has each once."""
    generators = [stream(s, SHUFFLING) for s in (0, 1)]
    draws = torch.cat(list(islice(drawn("stochastic", 10, 1, generators), 20)))
    assert draws.shape == (20 * AHEAD, 2, 1)
    for r in range(2):
        counts = torch.bincount(draws[:, r, 0], minlength=10).double()
        expected = len(draws) / 10
        assert ((counts - expected).abs() < 5 * (expected * 0.9) ** 0.5).all()
    assert not torch.equal(draws[:, 0], draws[:, 1])
    epochs = drawn("mini-batch", 10, 4, generators)
    for _ in range(2):
        seen = torch.cat([next(epochs)[0] for _ in range(3)], dim=1)
        assert torch.equal(seen.sort(dim=1).values, torch.arange(10).expand(2, 10))


REFUSED = {
    "negative rate": (
        {"lr": -0.1, "steps": 1},
        "found lr=-0.1; expected one finite number of 0 or more",
    ),
    "rate of nan": ({"lr": float("nan"), "steps": 1}, "found lr=nan"),
    "rates of another stack": ({"lr": [0.1, 0.2], "steps": 1}, r"found lr=\[0.1, 0.2\]"),
    "no length": ({"lr": 0.1}, "found steps=None and epochs=None; expected exactly one"),
    "two lengths": ({"lr": 0.1, "steps": 1, "epochs": 1}, "found steps=1 and epochs=1"),
    "no steps": ({"lr": 0.1, "steps": 0}, "found steps=0; expected an integer from 1"),
    "method": ({"lr": 0.1, "steps": 1, "method": "newton"}, "found method='newton'"),
    "batch size missing": ({"lr": 0.1, "steps": 1, "method": "mini-batch"}, "batch_size=None"),
    "batch size unasked": ({"lr": 0.1, "steps": 1, "batch_size": 2}, "batch_size=2 with method="),
    "batch too large": (
        {"lr": 0.1, "steps": 1, "method": "mini-batch", "batch_size": 7},
        "found batch_size=7; expected 1 to 6",
    ),
    "batch of none": (
        {"lr": 0.1, "steps": 1, "method": "mini-batch", "batch_size": 0},
        "found batch_size=0; expected 1 to 6, the number of examples; give a whole number",
    ),
    "batch of truth": (
        {"lr": 0.1, "steps": 1, "method": "mini-batch", "batch_size": True},
        "found batch_size=True; expected 1 to 6",
    ),
    "tolerance": ({"lr": 0.1, "steps": 1, "tolerance": -1.0}, "found tolerance=-1.0"),
    "patience": ({"lr": 0.1, "steps": 1, "patience": 0}, "found patience=0"),
    "record_every": ({"lr": 0.1, "steps": 1, "record_every": 0}, "found record_every=0"),
    "l2": ({"lr": 0.1, "steps": 1, "l2": -1.0}, "found l2=-1.0"),
    "seed": ({"lr": 0.1, "steps": 1, "method": "stochastic", "seed": -1}, "found seed=-1"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_settings_outside_their_range_are_refused(settings, message):
    """Before any step, by name, with the remedy."""
    x, t = torch.randn(6, 4, dtype=F64), torch.zeros(6, dtype=torch.long)
    with pytest.raises(ConfigurationError, match=message):
        fit(mixed(1), x, t, CrossEntropy(), **settings)


@pytest.mark.slow
def test_higham_and_highams_ten_points():
    """16 seeds, 1e4 one-example steps: the median plotted cost stays on the published plateau."""
    x = torch.tensor(
        [
            [0.1, 0.3, 0.1, 0.6, 0.4, 0.6, 0.5, 0.9, 0.4, 0.7],
            [0.1, 0.4, 0.5, 0.9, 0.2, 0.3, 0.6, 0.2, 0.4, 0.6],
        ]
    ).T.contiguous()
    t = torch.tensor([[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 5)
    net = MLP((2, 2, 3, 2), Sigmoid(), Gaussian(1.0, 0.5), runs=16, seed=0)
    with torch.no_grad():  # netbp draws weights and biases from 0.5 N(0, 1)
        for W in net.weights:
            W.mul_(0.5 * W.shape[-1] ** 0.5)
    went = fit(
        net,
        x,
        t,
        HalfSquaredError(link="sigmoid"),
        lr=0.05,
        steps=10_000,
        method="stochastic",
        record_every=1000,
    )
    plotted = 20 * went.losses.median(dim=1).values
    assert 5.1 < float(plotted[0]) < 5.7
    assert float(plotted[1]) == pytest.approx(5.005, abs=0.03)
    assert float(plotted[10]) == pytest.approx(4.99, abs=0.05)
