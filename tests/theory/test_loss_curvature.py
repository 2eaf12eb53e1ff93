"""Logistic regression's Hessian and the two-layer surface, against autograd and against the losses."""

import numpy as np
import pytest
import torch

from experiments import losses
from experiments.core.errors import ConfigurationError
from experiments.theory.loss_hessian import logistic_hessians, spectrum
from experiments.theory.loss_surface import TwoLayers, flat_share, loss_surface, random_signals


@pytest.fixture
def problem():
    """Forty examples of three features and a constant, labels of a random plane, weights anywhere."""
    draw = np.random.default_rng(0)
    x = np.concatenate([draw.standard_normal((40, 3)), np.ones((40, 1))], axis=1)
    y = (x @ np.array([1.0, -2.0, 0.5, 0.1]) > 0).astype(float)
    return x, y, 3 * draw.standard_normal(4)


def test_hessians_are_those_of_the_losses(problem):
    """Automatic second derivatives of the mean cost in the weights, to 1e-12."""
    x, y, w = problem
    found = logistic_hessians(x, y, w)
    inputs, t = torch.tensor(x), torch.tensor(y).long()
    for loss, predicted in (
        (losses.BinaryCrossEntropy(), found.cross_entropy),
        (losses.HalfSquaredError("sigmoid"), found.half_squared_error),
        (losses.HalfSquaredError("identity"), found.no_link),
    ):
        measured = torch.func.hessian(lambda v, loss=loss: loss((inputs @ v)[:, None], t))
        np.testing.assert_allclose(measured(torch.tensor(w)), predicted, rtol=1e-12, atol=1e-14)


def test_cross_entropy_is_convex_everywhere_and_squared_error_is_not(problem):
    """Over random weights: no negative eigenvalue against at least one in most places."""
    x, y, _ = problem
    draw = np.random.default_rng(1)
    saddles = 0
    for _ in range(50):
        found = logistic_hessians(x, y, 3 * draw.standard_normal(4))
        assert spectrum(found.cross_entropy).negative == 0
        saddles += spectrum(found.half_squared_error).negative > 0
    assert saddles > 25


def test_one_confident_error_has_the_curvature_of_one_logit():
    """One example, one weight: 1 x c(z), least where the theory of one logit says so."""
    z = np.linspace(-10, 10, 2001)
    curvature = np.array(
        [
            logistic_hessians(np.ones((1, 1)), np.zeros(1), np.array([u])).half_squared_error.item()
            for u in z
        ]
    )
    assert curvature.min() == pytest.approx(-0.06010220, abs=1e-6)
    assert (z[curvature < 0] > np.log(2)).all()


def test_soft_targets_move_between_the_classes(problem):
    """y = 1/2 is the mean of the two Hessians: squared error's residual is linear in y."""
    x, y, w = problem
    half, zero, one = (
        logistic_hessians(x, np.full_like(y, value), w).half_squared_error for value in (0.5, 0, 1)
    )
    np.testing.assert_allclose(half, (zero + one) / 2, rtol=1e-12)


def test_spectrum_says_what_gradient_descent_can_stand():
    """Just below 2 / largest a quadratic converges, just above it does not."""
    hessian = np.array([[3.0, 1.0], [1.0, 2.0]])
    found = spectrum(hessian)
    assert found.eigenvalues.sum() == pytest.approx(5)
    assert found.eigenvalues.prod() == pytest.approx(5)
    assert found.condition == pytest.approx(found.eigenvalues[1] / found.eigenvalues[0])
    for factor, settles in ((0.99, True), (1.01, False)):
        w = np.ones(2)
        for _ in range(2000):
            w = w - factor * found.largest_lr * hessian @ w
        assert (np.abs(w).max() < 1e-3) == settles
    saddle = spectrum(np.diag([-1.0, 2.0]))
    assert (saddle.negative, saddle.condition) == (1, np.inf)
    assert spectrum(np.diag([-1.0, -2.0])).largest_lr == np.inf


def test_hessians_refuse_what_does_not_chain(problem):
    """Shapes and targets outside [0, 1]."""
    x, y, w = problem
    with pytest.raises(ConfigurationError, match=r"x \(40, 4\), y \(40,\), w \(3,\)"):
        logistic_hessians(x, y, w[:3])
    with pytest.raises(ConfigurationError, match=r"in \[0, 1\]"):
        logistic_hessians(x, y + 0.5, w)


def by_torch(net: TwoLayers, w1: float, w2: float):
    """Both costs at one point, by the network and the losses that train."""
    first, second = torch.tensor(net.W1), torch.tensor(net.W2)
    first[0, 0], second[0, 0] = w1, w2
    h = torch.tanh(torch.tensor(net.x) @ first.T + torch.tensor(net.b1))
    z, t = h @ second.T + torch.tensor(net.b2), torch.tensor(net.y)
    return losses.CrossEntropy()(z, t).item(), losses.HalfSquaredError("softmax")(z, t).item()


@pytest.mark.parametrize("n_out", [2, 4])
def test_surface_is_the_cost_of_the_network(n_out):
    """Every point of a small grid, to 1e-12, with biases that are not zero."""
    drawn = random_signals(n_in=3, hidden=4, n_out=n_out, examples=7, seed=2)
    draw = np.random.default_rng(3)
    net = TwoLayers(
        drawn.W1, draw.standard_normal(4), drawn.W2, draw.standard_normal(n_out), drawn.x, drawn.y
    )
    w1, w2 = np.linspace(-3, 3, 4), np.linspace(-20, 20, 3)
    surface = loss_surface(net, w1, w2)
    for i, first in enumerate(w1):
        for j, second in enumerate(w2):
            expected = by_torch(net, first, second)
            found = surface.cross_entropy[i, j], surface.half_squared_error[i, j]
            np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("n_out", [2, 4])
def test_slopes_of_the_surface_are_autograds(n_out):
    """The length of the gradient in the two weights, at every point of a small grid."""
    net = random_signals(n_in=3, hidden=4, n_out=n_out, examples=7, seed=2)
    w1, w2 = np.linspace(-3, 3, 4), np.linspace(-20, 20, 3)
    surface = loss_surface(net, w1, w2)
    for i, first in enumerate(w1):
        for j, second in enumerate(w2):
            for loss, found in (
                (losses.CrossEntropy(), surface.cross_entropy_slope),
                (losses.HalfSquaredError("softmax"), surface.half_squared_error_slope),
            ):
                a, b = (
                    torch.tensor(w, dtype=torch.float64, requires_grad=True)
                    for w in (first, second)
                )
                W1, W2 = torch.tensor(net.W1), torch.tensor(net.W2)
                corner = torch.zeros_like(W1), torch.zeros_like(W2)
                corner[0][0, 0], corner[1][0, 0] = 1, 1
                W1, W2 = W1 * (1 - corner[0]) + a * corner[0], W2 * (1 - corner[1]) + b * corner[1]
                z = torch.tanh(torch.tensor(net.x) @ W1.T) @ W2.T
                slopes = torch.autograd.grad(loss(z, torch.tensor(net.y)), (a, b))
                expected = torch.stack(slopes).norm().item()
                np.testing.assert_allclose(found[i, j], expected, rtol=1e-9, atol=1e-15)


def test_squared_error_has_plateaus_where_cross_entropy_has_slopes():
    """Glorot & Bengio's figure, over +-20: flat on a seventh of the square or more, on eight times as much
    as cross-entropy.

    Flat: a slope below 0.005 of the surface's range per unit of weight. Five draws, all alike, and a
    grid of four times as many points finds the same areas.
    """
    for seed in range(5):
        areas = []
        for points in (41, 81):
            axis = np.linspace(-20, 20, points)
            surface = loss_surface(random_signals(seed=seed), axis, axis)
            assert surface.half_squared_error.max() <= 1
            assert surface.cross_entropy.max() > 2
            areas.append((
                flat_share(surface.half_squared_error, surface.half_squared_error_slope, 0.005),
                flat_share(surface.cross_entropy, surface.cross_entropy_slope, 0.005),
            ))  # fmt: skip
        np.testing.assert_allclose(areas[0], areas[1], atol=0.01)
        assert areas[1][0] > 0.14
        assert areas[1][0] > 8 * areas[1][1]


def test_a_surface_needs_two_classes():
    """Sizes that cannot be are named."""
    with pytest.raises(ConfigurationError, match="n_out=1"):
        random_signals(n_out=1)
