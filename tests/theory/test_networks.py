"""Theory against measurement: finite networks have the predicted lengths, factors and angles."""

import math
from itertools import pairwise

import pytest
import torch

from experiments.activations import ELU, ReLU, Tanh
from experiments.initializers import Gaussian, Glorot
from experiments.losses import HalfSquaredError
from experiments.models import MLP
from experiments.probes import correlations, effective_chi, gradient_ratio, lengths
from experiments.theory import BatchMoments, mean_field, predicted_profile

# phi, sigma_w^2, sigma_b^2; other code measured q = .3151, 1.1206, .1983, 1.0528 at n = 1000
SETTINGS = [(Tanh(), 1.3, 0.05), (ELU(), 1.5, 0.05), (ReLU(), 1.5, 0.05), (Tanh(), 2.5, 0.05)]


def measure(activation, weight_variance, bias_variance, n: int, depth: int, runs: int):
    """q, and chi by gradient and by Jacobian, of every run of a stack whose input has length q*."""
    initializer = Gaussian(math.sqrt(weight_variance), math.sqrt(bias_variance))
    point = mean_field.fixed_point(activation, initializer.sigma_w, initializer.sigma_b)
    net = MLP([n] * (depth + 2), activation, initializer, runs=runs, seed=0)
    x = torch.randn(2, n, generator=torch.Generator().manual_seed(0))
    x = x / x.square().mean(-1, keepdim=True).sqrt()
    x = x * math.sqrt((point.q - bias_variance) / weight_variance)
    # targets far away, so that delta does not know the forward pass, as the theory supposes
    t = 1e3 * torch.randn(2, n, generator=torch.Generator().manual_seed(1))
    ratio = gradient_ratio(net, x, t, HalfSquaredError()).log().mean(0).exp()
    return point, lengths(net, x)[:depth].mean((0, 2)), ratio, effective_chi(net, x).mean(0)


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "weight_variance", "bias_variance"), SETTINGS)
def test_wide_networks_have_the_predicted_length_and_factor(
    activation, weight_variance, bias_variance
) -> None:
    """n = 800, 16 layers, 10 networks: q, the gradient's ratio and effective chi within 2 %."""
    point, q, ratio, effective = measure(activation, weight_variance, bias_variance, 800, 16, 10)
    assert float(q.mean()) == pytest.approx(point.q, rel=0.02)
    assert float(ratio.mean()) == pytest.approx(point.chi, rel=0.02)
    assert float(effective.mean()) == pytest.approx(point.chi, rel=0.02)


@pytest.mark.parametrize(("activation", "weight_variance", "bias_variance"), SETTINGS)
def test_the_same_in_miniature(activation, weight_variance, bias_variance) -> None:
    """n = 200, 12 layers, 24 networks: q within three standard errors and 2 %, chi within 2 %."""
    point, q, ratio, effective = measure(activation, weight_variance, bias_variance, 200, 12, 24)
    error = 3 * float(q.std()) / math.sqrt(24)
    assert float(q.mean()) == pytest.approx(point.q, abs=error + 0.02 * point.q)
    assert float(ratio.mean()) == pytest.approx(point.chi, rel=0.02)
    assert float(effective.mean()) == pytest.approx(point.chi, rel=0.02)


@pytest.mark.parametrize("weight_variance", [1.3, 3.0])
def test_angles_follow_the_correlation_map(weight_variance: float) -> None:
    """Ten layers of tanh at n = 300: the correlation of two inputs within 0.03 of the iterated map."""
    sigma_w, sigma_b, n = math.sqrt(weight_variance), math.sqrt(0.05), 300
    net = MLP([n] * 12, Tanh(), Gaussian(sigma_w, sigma_b), runs=8, seed=0)
    point = mean_field.fixed_point(Tanh(), sigma_w, sigma_b)
    x = torch.randn(4, n, generator=torch.Generator().manual_seed(0))
    y = 0.5 * x + math.sqrt(0.75) * torch.randn(4, n, generator=torch.Generator().manual_seed(1))
    scale = math.sqrt((point.q - 0.05) / weight_variance)  # starts at the fixed length
    x, y = (scale * v / v.square().mean(-1, keepdim=True).sqrt() for v in (x, y))
    cosine = float((x * y).sum(-1).mean() / (n * scale**2))
    c = (weight_variance * scale**2 * cosine + 0.05) / point.q
    measured = correlations(net, x, y).mean((1, 2))
    for layer in range(10):
        assert float(measured[layer]) == pytest.approx(c, abs=0.03)
        c = mean_field.correlation_map(Tanh(), [c], sigma_w, sigma_b, q=point.q).item()


@pytest.mark.parametrize(
    ("initializer", "factor"), [(Gaussian(math.sqrt(1 / 3)), 0.577), (Glorot(), 0.99)]
)
def test_glorots_propagation(initializer, factor: float) -> None:
    """Five tanh layers, inputs of std 0.1: activations and gradients shrink by 1/sqrt 3 or hardly at all."""
    n = 500
    net = MLP([n] * 7, Tanh(), initializer, runs=2, seed=0)
    x = 0.1 * torch.randn(8, n, generator=torch.Generator().manual_seed(0))
    size = lengths(net, x).mean((1, 2)).sqrt()
    for layer in range(4):
        assert float(size[layer + 1] / size[layer]) == pytest.approx(factor, abs=0.02)
    t = torch.randn(8, n, generator=torch.Generator().manual_seed(1))
    ratios = gradient_ratio(net, x, t, HalfSquaredError()).mean(1).sqrt()
    assert float(ratios.mean()) == pytest.approx(factor, abs=0.02)


def test_weight_gradients_keep_their_size_where_back_propagated_ones_vanish() -> None:
    """Glorot & Bengio's old heuristic: delta loses 0.577 a layer, a gains what it lost, dC/dW is level."""
    n, depth = 500, 5
    net = MLP([n] * (depth + 2), Tanh(), Gaussian(math.sqrt(1 / 3)), runs=16, seed=0)
    x = 0.1 * torch.randn(1, n, generator=torch.Generator().manual_seed(0))
    t = torch.randn(1, n, generator=torch.Generator().manual_seed(1))
    cost = HalfSquaredError()(net(x), t).sum()
    sizes = [g.flatten(1).norm(dim=1).mean() for g in torch.autograd.grad(cost, net.weights)]
    for below, above in pairwise(sizes):
        assert float(below / above) == pytest.approx(1, abs=0.03)
    batch = BatchMoments(inputs=float(x.square().mean()), deltas=1.0)
    profile = predicted_profile(net.widths, Tanh(), Gaussian(math.sqrt(1 / 3)), batch)
    level = profile.log10_weight_gradient_norm
    assert max(level) - min(level) < 0.01
