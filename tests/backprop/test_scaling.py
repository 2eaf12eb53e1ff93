"""Norms beyond the floats, against 40-digit arithmetic with unbounded exponents."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backprop.networks import mixed
from tests.backprop.scaling_oracle import held_to_the_oracle
from tests.oracles.backprop_high_precision import log10_norms

from experiments.activations import ELU, Identity, ReLU, Sigmoid, Tanh
from experiments.backprop import backpropagate, scaled_backpropagate, survival
from experiments.backprop.exponents import Scaled, normalised, scaled
from experiments.initializers import Gaussian, Glorot
from experiments.losses import CrossEntropy, HalfSquaredError
from experiments.models import MLP

F64 = torch.float64


def deep(sigma, initializer, width=2, tweak=None, output=None):
    """A float32 network of 1,000 layers, 2 inputs and one output."""
    net = MLP((2, *[width] * 1000, 1), sigma, initializer, output_activation=output, seed=1)
    with torch.no_grad():
        for k, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
            if tweak is not None:
                tweak(k, W, b)
    return net


def positive(k, W, b):
    """Weights without sign keep every ReLU alive."""
    W.abs_()


def balanced(k, W, b):
    """w = 100 and z = 0 everywhere: Nielsen's exploding chain."""
    W.fill_(100.0)
    b.fill_(0.0 if k == 0 else -50.0 * W.shape[1])


CASES = {
    "sigmoid vanishes": (lambda: deep(Sigmoid(), Glorot()), False),
    "chain explodes 25 a layer": (lambda: deep(Sigmoid(), Glorot(), 1, balanced), True),
}
MORE_CASES = {
    "linear explodes": (lambda: deep(Identity(), Gaussian(9.0, 0.3)), False),
    "sigmoid output": (lambda: deep(Sigmoid(), Glorot(), 5, output=Sigmoid()), False),
    "tanh dies out": (lambda: deep(Tanh(), Gaussian(0.4, 0.0), 3), False),
    "tanh at zero explodes": (lambda: deep(Tanh(), Gaussian(6.0, 0.0), 3), True),
    "relu explodes": (lambda: deep(ReLU(), Gaussian(6.0, 0.0), 3, positive), False),
    "relu vanishes": (lambda: deep(ReLU(), Gaussian(0.1, 0.0), 3, positive), False),
}


@pytest.mark.parametrize(
    ("make", "at_zero"),
    [
        *(pytest.param(*case, id=name) for name, case in CASES.items()),
        *(pytest.param(*c, id=name, marks=pytest.mark.slow) for name, c in MORE_CASES.items()),
    ],
)
def test_a_thousand_layers_in_float32(make, at_zero):
    """log10 norms of deltas and weight gradients are right to 1e-4 (1e-9 here) near 1e-600."""
    net = make()
    x = torch.zeros(1, 2) if at_zero else torch.tensor([[0.3, -0.7]])
    t = torch.tensor([[-1.0]])
    deltas = held_to_the_oracle(net, x, t)
    assert max(map(abs, deltas)) > 300  # beyond float32, and for most cases beyond float64


@pytest.mark.parametrize("runs", [None, 3])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_within_the_floats_it_is_plain_backpropagation(runs, dtype):
    """Where plain norms are floats, log10 of them is what is returned."""
    net = mixed(6, runs=runs).to(dtype)
    x, t = torch.randn(5, 4, dtype=dtype), torch.tensor([0, 1, 2, 1, 0])
    plain = backpropagate(net, x, t, CrossEntropy())
    found = scaled_backpropagate(net, x, t, CrossEntropy())
    tolerance = 1e-5 if dtype == torch.float32 else 1e-13
    for logs, tensors, axes in (
        (found.log10_delta_norms, plain.deltas, (-2, -1)),
        (found.log10_weight_gradient_norms, plain.weight_gradients, (-2, -1)),
        (found.log10_bias_gradient_norms, plain.bias_gradients, (-1,)),
    ):
        for log, tensor in zip(logs, tensors, strict=True):
            norm = torch.linalg.vector_norm(tensor.double(), dim=axes)
            assert log.dtype == F64
            assert log.shape == (() if runs is None else (runs,))
            assert torch.allclose(log, norm.log10(), atol=tolerance)


def test_each_run_has_its_own_exponent():
    """Runs that vanish, explode and stay live side by side, and none disturbs another."""
    scales = (1e-6, 1.0, 1e6)
    stack = MLP((3, *[6] * 80, 2), Identity(), [Gaussian(s, 0.1) for s in scales], runs=3, seed=0)
    x, t = torch.randn(4, 3), torch.randn(4, 2)
    together = scaled_backpropagate(stack, x, t, HalfSquaredError())
    for r, sigma_w in enumerate(scales):
        alone = MLP((3, *[6] * 80, 2), Identity(), Gaussian(sigma_w, 0.1), seed=r)
        found = scaled_backpropagate(alone, x, t, HalfSquaredError())
        for ours, its in zip(
            together.log10_delta_norms + together.log10_weight_gradient_norms,
            found.log10_delta_norms + found.log10_weight_gradient_norms,
            strict=True,
        ):
            assert float(ours[r]) == pytest.approx(float(its), abs=1e-9)
    assert together.log10_delta_norms[0][0] < -400
    assert together.log10_delta_norms[0][2] > 900


def test_a_loss_with_a_limit_far_beyond_the_floats():
    """With cross-entropy, logits of 1e1000 give the limit p - y, and a finite answer."""
    net = MLP((2, *[4] * 80, 3), Identity(), Gaussian(1e12, 0.0), seed=0)
    x = torch.randn(4, 2)
    found = scaled_backpropagate(net, x, torch.tensor([0, 1, 2, 0]), CrossEntropy())
    assert -5 < found.log10_delta_norms[-1] < 1
    assert 900 < found.log10_delta_norms[0] < 1100


def test_zero_and_nonfinite_gradients_are_outcomes():
    """A gradient that is exactly 0 has log10 norm -inf; weights that are not finite give nan or inf."""
    dead = MLP((2, 3, 3, 1), ReLU(), Glorot(), seed=0)
    with torch.no_grad():
        dead.biases[1].fill_(-100.0)
    x, t = torch.ones(2, 2), torch.zeros(2, 1)
    found = scaled_backpropagate(dead, x, t + 1, HalfSquaredError())
    assert found.log10_delta_norms[0] == -math.inf
    assert torch.isfinite(found.log10_delta_norms[2])
    broken = MLP((2, 3, 1), ReLU(), Glorot(), seed=0)
    with torch.no_grad():
        broken.weights[0].fill_(math.nan)
    assert not torch.isfinite(
        scaled_backpropagate(broken, x, t, HalfSquaredError()).log10_delta_norms[0]
    )


def test_an_activation_that_stops_powers_of_two():
    """ELU lets values far below the floats pass (alpha = 1); a bias above them ends that."""
    net = MLP((2, *[2] * 100, 1), ELU(), Gaussian(1e-5, 0.0), seed=0)
    with torch.no_grad():
        net.biases[90].fill_(0.1)
    x, t = torch.randn(1, 2), torch.zeros(1, 1)
    found = scaled_backpropagate(net, x, t + 1.0, HalfSquaredError())
    deltas, gradients = log10_norms(
        [W.tolist() for W in net.weights],
        [b.tolist() for b in net.biases],
        ["elu"] * 100 + ["identity"],
        x.tolist(),
        (t + 1.0).tolist(),
    )
    assert [float(v) for v in found.log10_delta_norms] == pytest.approx(deltas, abs=1e-9)
    assert [float(v) for v in found.log10_weight_gradient_norms] == pytest.approx(
        gradients, abs=1e-9
    )


@given(
    st.floats(-1e308, 1e308, allow_subnormal=False).filter(lambda v: abs(v) > 1e-300),
    st.integers(-5000, 5000),
)
@settings(max_examples=50, deadline=None)
def test_scaling_by_powers_of_two_is_exact(value, exponent):
    """Forth and back over any number of binades returns the same bits; 0 stays 0."""
    values = torch.tensor([[value, 0.0]], dtype=F64)
    mantissa, shift = normalised(values, dims=2)
    assert 0.5 <= mantissa.abs().max() < 1
    assert torch.equal(scaled(mantissa, shift), values)
    logs = Scaled(mantissa, shift + exponent).log10_norm
    assert float(logs) == pytest.approx(
        math.log10(abs(value)) + exponent * math.log10(2), rel=1e-12
    )


def test_survival_says_what_each_entry_was_lost_to():
    """Deep float32 sigmoid: the lowest layers underflow, the top ones are kept; shares sum to 1."""
    net = MLP((3, *[10] * 100, 1), Sigmoid(), Glorot(), seed=0)
    found = survival(net, torch.randn(4, 3), torch.zeros(4, 1), HalfSquaredError())
    for shares in (found.deltas, found.weight_gradients):
        assert float(shares[0].underflow) == 1.0
        assert float(shares[-1].kept) == 1.0
        for share in shares:
            total = share.kept + share.rounded_rule + share.underflow + share.overflow + share.zero
            assert float(total) == pytest.approx(1.0)


def test_survival_tells_the_rounded_rule_from_underflow():
    """z = 20 in float32: torch's a(1-a) is 0 and the exact sigma' is 2e-9; every run for itself."""
    net = MLP((1, 4, 1), Sigmoid(), Glorot(), runs=2, seed=0)
    with torch.no_grad():
        net.weights[0][0].fill_(20.0)
        net.weights[0][1].fill_(2.0)
    found = survival(net, torch.ones(1, 1), torch.zeros(1, 1), HalfSquaredError())
    assert found.deltas[0].rounded_rule.tolist() == [1.0, 0.0]
    assert found.weight_gradients[0].kept.tolist() == [0.0, 1.0]


def test_survival_tells_dead_units_and_overflow():
    """Behind a dead ReLU the truth is 0; an exploding linear net in float32 overflows."""
    dead = MLP((2, 4, 1), ReLU(), Glorot(), seed=0)
    with torch.no_grad():
        dead.biases[0].fill_(-100.0)
    x, t = torch.ones(1, 2), torch.ones(1, 1)
    assert float(survival(dead, x, t, HalfSquaredError()).deltas[0].zero) == 1.0
    wild = MLP((2, *[4] * 60, 1), Identity(), Gaussian(10.0, 0.0), seed=0)
    assert float(survival(wild, x, t, HalfSquaredError()).deltas[0].overflow) == 1.0
