"""Networks whose weights are written down: what theorems say that an MLP can be, and its slope there."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from experiments.activations import ReLU, Sigmoid
from experiments.backprop import input_gradient
from experiments.core.activation import Activation
from experiments.initializers import LeCun
from experiments.models import MLP

pytestmark = pytest.mark.usefixtures("float64")


def written(activation: Activation, *layers: tuple[list[list[float]], list[float]]) -> MLP:
    """The network with these weights and biases, from the first layer to the identity output."""
    widths = (len(layers[0][0][0]), *(len(b) for _, b in layers))
    net = MLP(widths, activation, LeCun(), seed=0)
    with torch.no_grad():
        for W, b, (weights, biases) in zip(net.weights, net.biases, layers, strict=True):
            W.copy_(torch.tensor(weights))
            b.copy_(torch.tensor(biases))
    return net


def staircase(steps: int, steepness: float) -> MLP:
    """f(0) + sum_k [f(k/N) - f((k-1)/N)] sigma(w (x - (k - 1/2)/N)) for f(x) = sin(2 pi x)."""
    k = np.arange(1, steps + 1)
    rise = np.sin(2 * np.pi * k / steps) - np.sin(2 * np.pi * (k - 1) / steps)
    first = ([[steepness]] * steps, (-steepness * (k - 0.5) / steps).tolist())
    return written(Sigmoid(), first, ([rise.tolist()], [0.0]))


def square(depth: int) -> MLP:
    """f_m(x) = x - sum_{s<=m} tent^s(x) / 4^s with three ReLUs a layer: tent^s, its half, and the sum."""
    fold = [2.0, -4.0, 0.0]  # the tent of what the layer below holds, on [0, 1]
    layers = [([[1.0], [1.0], [1.0]], [0.0, -0.5, 0.0])]
    for s in range(1, depth):
        rest = [-weight / 4**s for weight in fold[:2]] + [1.0]
        layers.append(([fold, fold, rest], [0.0, -0.5, 0.0]))
    last = [-weight / 4**depth for weight in fold[:2]] + [1.0]
    return written(ReLU(), *layers, ([last], [0.0]))


def tent(folds: int) -> MLP:
    """m(x) = 2 relu(x) - 4 relu(x - 1/2) + 2 relu(x - 1), composed with itself: three ReLUs a layer."""
    fold, corners = [2.0, -4.0, 2.0], [0.0, -0.5, -1.0]
    below = [([fold] * 3, corners)] * (folds - 1)
    return written(ReLU(), ([[1.0]] * 3, corners), *below, ([fold], [0.0]))


def pieces(net: MLP, x: torch.Tensor) -> int:
    """Stretches of x over which the input gradient is one number."""
    slope = input_gradient(net, x)[:, 0].tolist()
    return 1 + sum(abs(left - right) > 1e-9 for left, right in pairwise(slope))


@pytest.mark.parametrize("steps", [10, 50, 200])
def test_a_staircase_of_sigmoids_is_as_close_as_the_theorem_says(steps: int) -> None:
    """Cybenko made constructive: the error is at most omega_f(1/(2N)) <= pi/N, and nearly attains it."""
    x = torch.linspace(0, 1, 40_001)[:, None]
    with torch.no_grad():
        error = (staircase(steps, 4e4)(x) - torch.sin(2 * torch.pi * x)).abs().max().item()
    assert 0.9 * np.pi / steps < error <= np.pi / steps


@pytest.mark.parametrize(
    ("depth", "published"), [(1, 0.0625), (2, 0.015625), (4, 9.765625e-4), (8, 3.814697265625e-6)]
)
def test_relus_come_to_the_square_by_a_quarter_a_layer(depth: int, published: float) -> None:
    """Yarotsky (2017): sup |f_m - x^2| is 2^(-2m-2), attained between the dyadic points, to 1e-15."""
    x = torch.linspace(0, 1, 2 ** (depth + 1) + 1)[:, None]
    with torch.no_grad():
        error = (square(depth)(x) - x**2).abs().max().item()
    assert error == pytest.approx(published, abs=1e-15)


@pytest.mark.parametrize("depth", [1, 3, 8])
@pytest.mark.parametrize("order", ["reverse", "row"])
def test_its_slope_is_that_of_the_chord(depth: int, order: str) -> None:
    """f_m joins the squares of k / 2^m: slope (2k + 1) / 2^m, by both recursions and by autograd."""
    x = torch.rand(200, 1)
    chord = (2 * torch.floor(x * 2**depth) + 1) / 2**depth
    net = square(depth)
    torch.testing.assert_close(input_gradient(net, x, order=order), chord, rtol=0, atol=1e-12)
    seen = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(seen).sum(), seen)
    torch.testing.assert_close(slope, chord, rtol=0, atol=1e-12)


@pytest.mark.parametrize("folds", [1, 2, 5, 10])
def test_depth_makes_pieces_by_doubling(folds: int) -> None:
    """Telgarsky (2016): k layers of three ReLUs make 2^k linear pieces, of slope 2^k up and down."""
    x = (torch.arange(4 * 2**folds)[:, None] + 0.5) / (4 * 2**folds)
    net = tent(folds)
    assert pieces(net, x) == 2**folds
    assert input_gradient(net, x).abs().unique().tolist() == [2.0**folds]


def test_one_layer_makes_no_more_pieces_than_neurons_and_one() -> None:
    """A hidden layer of N ReLUs bends at most N times, whatever it was drawn as."""
    x = torch.linspace(-30, 30, 20_001)[:, None]
    for seed in range(5):
        net = MLP((1, 12, 1), ReLU(), LeCun(), seed=seed)
        with torch.no_grad():
            net.biases[0].copy_(torch.randn(12))
        assert 2 <= pieces(net, x) <= 13
