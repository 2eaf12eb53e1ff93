"""The predicted profile against closed forms and against autograd on drawn stacks of real networks."""

import math

import pytest
import torch

from experiments.activations import ELU, Identity, ReLU, Sigmoid, Tanh
from experiments.core.errors import ConfigurationError
from experiments.initializers import Constant, Gaussian, Glorot, He, LeCun
from experiments.losses import CrossEntropy
from experiments.models import MLP
from experiments.theory import BatchMoments, critical, mean_field, predicted_profile


def drawn(activation, initializer, widths, runs: int, batch: int = 64):
    """log10 norms of delta and dC/dW by autograd for every run, and the moments of the batch."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(widths[-1], widths[0], generator=generator)
    t = torch.arange(batch) % widths[-1]
    x = centres[t] + 0.7 * torch.randn(batch, widths[0], generator=generator)
    net = MLP(widths, activation, initializer, runs=runs, seed=0)
    loss = CrossEntropy()
    outputs, records = net.recorded_forward(x)
    gradients = torch.autograd.grad(loss(outputs, t).sum(), net.weights)
    delta = torch.stack([r.delta.double().flatten(1).norm(dim=1) for r in records])
    weight = torch.stack([g.double().flatten(1).norm(dim=1) for g in gradients])
    return delta.log10(), weight.log10(), BatchMoments.of(x, loss.delta(outputs, t))


@pytest.mark.parametrize(
    ("activation", "initializer", "slack"),
    [
        (Tanh(), critical(Tanh()), 0.06),
        (Tanh(), Gaussian(2.0, 0.2), 0.06),
        (ReLU(), He(), 0.1),
        (Sigmoid(), Glorot(), 0.06),
        (ELU(), LeCun(), 0.06),
    ],
)
def test_profiles_are_those_of_drawn_networks(activation, initializer, slack: float) -> None:
    """Means of log10 norms over 24 drawn networks of depth 10: delta within 0.06, dC/dW within 0.15.

    The whole profile spans up to six decades; ReLU, which scatters most, is given 0.1 for delta.
    """
    widths = (30, *[100] * 10, 10)
    delta, weight, batch = drawn(activation, initializer, widths, runs=24)
    predicted = predicted_profile(widths, activation, initializer, batch)
    typical = torch.tensor(predicted.log10_delta_norm) - torch.tensor(predicted.log10_shortfall)
    torch.testing.assert_close(delta.mean(1), typical.double(), atol=slack, rtol=0)
    expected = torch.tensor(predicted.log10_weight_gradient_norm)
    expected = (expected - torch.tensor(predicted.log10_shortfall)).double()
    torch.testing.assert_close(weight.mean(1), expected, atol=0.15, rtol=0)
    ratio = float(delta[0].std()) / predicted.log10_spread[0]
    assert 0.5 < ratio < 2


def test_one_example_scatters_by_the_log_normal_law() -> None:
    """ReLU, one example: ln ||delta||^2 has mean -beta/2 and variance beta = 5 L / n over 300 draws."""
    n, depth = 50, 8
    profile = predicted_profile((n,) * (depth + 2), ReLU(), He(), BatchMoments(1.0, 1.0))
    beta = 5 * depth / n
    assert profile.log10_spread[0] == pytest.approx(math.sqrt(beta) / (2 * math.log(10)))
    assert profile.log10_shortfall[0] == pytest.approx(beta / 4 / math.log(10))
    net = MLP((n,) * (depth + 2), ReLU(), He(), runs=300, seed=0)
    outputs, records = net.recorded_forward(torch.ones(1, n))
    cotangent = torch.ones_like(outputs)
    torch.autograd.grad(outputs, net.weights, cotangent)
    logs = records[0].delta.double().flatten(1).norm(dim=1).log10()
    assert float(logs.std()) == pytest.approx(profile.log10_spread[0], rel=0.15)
    typical = profile.log10_delta_norm[0] - profile.log10_shortfall[0]
    assert float(logs.mean()) == pytest.approx(typical, abs=4 * profile.log10_spread[0] / 17 + 0.02)


def test_it_starts_from_the_input_and_ends_on_the_asymptote() -> None:
    """q follows the length map from the actual input; deep down the slope is ln chi of the fixed point."""
    widths = (100,) * 42
    profile = predicted_profile(widths, Tanh(), Gaussian(1.14, 0.2236), BatchMoments(4.0, 1.0))
    q, expected = [1.14**2 * 4.0 + 0.2236**2], []
    for _ in range(41):
        expected.append(math.log10(q[0]))
        q = mean_field.length_map(Tanh(), q, 1.14, 0.2236).tolist()
    assert profile.log10_q == pytest.approx(expected, abs=1e-9)
    point = mean_field.fixed_point(Tanh(), 1.14, 0.2236)
    steps = torch.tensor(profile.log10_delta_norm, dtype=torch.float64)[-12:-1].diff()
    assert float(steps[5]) == pytest.approx(-math.log10(point.factor), rel=1e-4)
    assert profile.asymptote is not None
    drop = torch.tensor(profile.asymptote, dtype=torch.float64).diff()[:-1]
    torch.testing.assert_close(drop, torch.full_like(drop, -math.log10(point.factor)))


def test_widths_that_differ_enter_layer_by_layer() -> None:
    """Linear network, Var W = v: ||delta_l||^2 is prod n v over the layers above, exactly."""
    widths, sigma_w = (7, 20, 5, 3), 1.5
    profile = predicted_profile(widths, Identity(), Gaussian(sigma_w), BatchMoments(2.0, 0.25))
    top = 3 * 0.25
    middle = 5 * (sigma_w**2 / 5) * 3 * 0.25
    bottom = 20 * (sigma_w**2 / 20) * middle
    expected = [math.log10(v) / 2 for v in (bottom, middle, top)]
    assert profile.log10_delta_norm == pytest.approx(expected)
    assert profile.log10_weight_gradient_norm[0] == pytest.approx(
        (math.log10(bottom) + math.log10(7 * 2.0)) / 2
    )
    assert profile.asymptote is None


def test_norms_below_and_above_any_float_stay_finite() -> None:
    """200 layers that lose or gain a factor 256: log10 norms near -480 and 480, none infinite."""
    for sigma_w, sign in ((math.sqrt(2) / 256, -1), (256 * math.sqrt(2), 1)):
        profile = predicted_profile((50,) * 202, ReLU(), Gaussian(sigma_w), BatchMoments(1.0, 1.0))
        assert profile.log10_delta_norm[0] == pytest.approx(sign * 200 * math.log10(256), rel=0.01)
        assert all(math.isfinite(v) for v in profile.log10_weight_gradient_norm)
        assert all(math.isfinite(v) for v in profile.log10_q)


def test_a_batch_is_measured_in_classes_of_pairs() -> None:
    """Shares add up to one, correlations sort, and the pairs' mean is NumPy's."""
    x, d = torch.randn(20, 4), torch.randn(3, 20, 2)
    batch = BatchMoments.of(x, d, classes=7)
    assert batch.size == 20
    assert float(batch.shares.sum()) == pytest.approx(1)
    assert bool((batch.input_correlation.diff() >= 0).all())
    assert batch.inputs == pytest.approx(float(x.square().mean()), rel=1e-6)
    d = d.double()
    off = (d.sum(1).square().sum(-1) - d.square().sum((1, 2))).mean() / (20 * 19)
    mean = off / d.square().sum(-1).mean()
    assert float(batch.delta_correlation @ batch.shares) == pytest.approx(float(mean), rel=1e-6)


def test_angles_of_a_batch_do_not_depend_on_its_size() -> None:
    """Deltas of 1e-13 and inputs of 1e-100 have the correlations of their directions; zeros have none."""
    x, d = torch.randn(8, 4, dtype=torch.float64), torch.randn(8, 3, dtype=torch.float64)
    d[0] = 0
    batch, small = BatchMoments.of(x, d, 4), BatchMoments.of(1e-100 * x, 1e-13 * d, 4)
    cosine = torch.nn.functional.cosine_similarity(d[:, None], d, dim=-1).square()
    mean = cosine.triu(1).sum() / (8 * 7 / 2)
    assert float(small.delta_correlation_squared @ small.shares) == pytest.approx(float(mean))
    for name in ("input_correlation", "delta_correlation", "delta_correlation_squared"):
        torch.testing.assert_close(getattr(small, name), getattr(batch, name))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: BatchMoments(0.0, 1.0), "inputs above 0"),
        (lambda: BatchMoments(1.0, math.nan), "finite"),
        (
            lambda: predicted_profile((2, 3, 3, 1), [Tanh()], He(), BatchMoments(1.0, 1.0)),
            "one per hidden",
        ),
        (lambda: predicted_profile((2,), Tanh(), He(), BatchMoments(1.0, 1.0)), "found 1 widths"),
        (
            lambda: predicted_profile(
                (2, 3, 1), Tanh(), Constant(0.0, 0.0), BatchMoments(1.0, 1.0)
            ),
            "sigma_w",
        ),
    ],
)
def test_what_cannot_be_predicted_is_refused(call, word) -> None:
    """No input, NaN, a wrong number of activations and weights of 0 are named with a remedy."""
    with pytest.raises(ConfigurationError, match=word):
        call()
