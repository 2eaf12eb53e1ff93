"""Proper losses and wrong labels: closed forms, brute force, and the losses on corrupted labels."""

import numpy as np
import pytest
import torch

from experiments import losses
from experiments.core.errors import ConfigurationError
from experiments.theory.loss_calibration import (
    asked_for,
    asked_for_of_softmax,
    cross_entropy_costs,
    half_squared_costs,
)
from experiments.theory.loss_geometry import (
    absolute_on_sigmoid,
    cross_entropy_on_sigmoid,
    focal_on_sigmoid,
    half_squared_on_sigmoid,
    smoothed_cross_entropy_on_sigmoid,
)
from experiments.theory.loss_noise import asymmetry, noisy_risk, noisy_risk_of_symmetric, tolerated

SHARES = [0.01, 0.2, 0.5, 0.73, 0.999]


@pytest.mark.parametrize("head", [half_squared_on_sigmoid(), cross_entropy_on_sigmoid()])
@pytest.mark.parametrize("share", SHARES)
def test_squared_error_and_cross_entropy_ask_for_the_truth(head, share):
    """p* = pi on a sigmoid, to 1e-10."""
    assert asked_for(head, share) == pytest.approx(share, rel=1e-10)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.73, 0.999])
def test_absolute_error_asks_for_the_likelier_answer(share):
    """0 or 1, whatever the share is."""
    assert asked_for(absolute_on_sigmoid(), share) == float(share > 0.5)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothing_pulls_to_the_middle(share, smoothing):
    """p* = (1 - e) pi + e / 2."""
    expected = (1 - smoothing) * share + smoothing / 2
    found = asked_for(smoothed_cross_entropy_on_sigmoid(smoothing), share)
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.73, 0.95])
def test_focal_loss_is_underconfident(share):
    """p* lies between pi and 1/2, and is where a fine search of the expected cost finds it."""
    found = asked_for(focal_on_sigmoid(2.0), share)
    assert abs(found - 0.5) < abs(share - 0.5)
    assert (found > 0.5) == (share > 0.5)
    p = np.linspace(1e-4, 1 - 1e-4, 200_001)
    expected = -share * (1 - p) ** 2 * np.log(p) - (1 - share) * p**2 * np.log(1 - p)
    assert found == pytest.approx(p[expected.argmin()], abs=1e-4)


@pytest.mark.parametrize("costs", [half_squared_costs, cross_entropy_costs])
def test_both_are_proper_on_a_softmax(costs):
    """p* = pi for three and for five classes, to the accuracy of the search."""
    for shares in (np.array([0.7, 0.2, 0.1]), np.array([0.05, 0.4, 0.3, 0.2, 0.05])):
        np.testing.assert_allclose(asked_for_of_softmax(costs, shares), shares, atol=1e-5)


def test_costs_of_classes_are_the_losses():
    """half_squared_costs and cross_entropy_costs are the rooms' costs for every class."""
    z = torch.randn(1, 4, dtype=torch.float64)
    p, every = torch.softmax(z, -1)[0].numpy(), torch.arange(4)
    for loss, costs in (
        (losses.HalfSquaredError("softmax"), half_squared_costs),
        (losses.CrossEntropy(), cross_entropy_costs),
    ):
        np.testing.assert_allclose(loss.per_example(z.expand(4, 4), every), costs(p), rtol=1e-12)


def test_excess_cost_is_a_distance_from_the_truth():
    """E C(p) - E C(pi) is 1/2 |p - pi|^2 for squared error, KL(pi, p) for cross-entropy."""
    pi, p = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.5, 0.3])
    squared = pi @ half_squared_costs(p) - pi @ half_squared_costs(pi)
    entropy = pi @ cross_entropy_costs(p) - pi @ cross_entropy_costs(pi)
    assert squared == pytest.approx(((p - pi) ** 2).sum() / 2, rel=1e-12)
    assert entropy == pytest.approx((pi * np.log(pi / p)).sum(), rel=1e-12)


def test_shares_that_are_none():
    """Outside (0, 1), or not of sum one."""
    for share in (0.0, 1.0):
        with pytest.raises(ConfigurationError, match="share="):
            asked_for(half_squared_on_sigmoid(), share)
    with pytest.raises(ConfigurationError, match="sum one"):
        asked_for_of_softmax(half_squared_costs, np.array([0.5, 0.4]))


def costs_of_all_classes(loss, z):
    """C(f(x), k) of every example and class, by the room."""
    n, classes = z.shape
    every = torch.arange(classes).repeat(n)
    return loss.per_example(z.repeat_interleave(classes, 0), every).reshape(n, classes).numpy()


@pytest.mark.parametrize("eta", [0.0, 0.2, 0.4, 0.9])
def test_symmetric_noise_only_stretches_absolute_error(eta):
    """R_noisy follows from R alone: exactly for absolute error, whose costs sum to 2 (K - 1)."""
    classes = 5
    z = 3 * torch.randn(300, classes, dtype=torch.float64)
    y = np.random.default_rng(0).integers(classes, size=300)
    costs = costs_of_all_classes(losses.AbsoluteError("softmax"), z)
    clean = float(costs[np.arange(300), y].mean())
    assert asymmetry(costs) < 1e-13
    assert noisy_risk(costs, y, eta) == pytest.approx(
        noisy_risk_of_symmetric(clean, 2 * (classes - 1), eta, classes), rel=1e-12
    )


def test_the_noisy_risk_is_what_corrupted_labels_cost():
    """The mean over many corruptions, drawn and evaluated by the losses, within 4 standard errors."""
    classes, eta, n = 4, 0.4, 100
    z = 2 * torch.randn(n, classes, dtype=torch.float64)
    draw = np.random.default_rng(1)
    y = draw.integers(classes, size=n)
    for loss in (losses.CrossEntropy(), losses.HalfSquaredError("softmax")):
        drawn = []
        for _ in range(200):
            shift = np.where(draw.random(n) < eta, draw.integers(1, classes, size=n), 0)
            drawn.append(loss(z, torch.tensor((y + shift) % classes)).item())
        error = np.std(drawn) / np.sqrt(len(drawn))
        expected = noisy_risk(costs_of_all_classes(loss, z), y, eta)
        assert abs(np.mean(drawn) - expected) < 4 * error


def test_cross_entropy_is_far_from_symmetric_and_squared_error_near():
    """On a softmax the sums over classes spread by less than a factor 2, or by many means."""
    z = 10 * torch.randn(500, 5, dtype=torch.float64)
    squared = costs_of_all_classes(losses.SquaredError("softmax"), z)
    assert squared.sum(1).min() >= 4 - 1e-12
    assert squared.sum(1).max() <= 8 + 1e-12
    assert asymmetry(squared) < 1
    assert asymmetry(costs_of_all_classes(losses.CrossEntropy(), z)) > 1


def test_beyond_the_tolerated_share_the_order_of_risks_turns_round():
    """eta < (K - 1)/K keeps the better of two outputs better; above, it is reversed."""
    assert tolerated(2) == 0.5
    for eta, kept in ((0.4, True), (0.6, False)):
        better, worse = (noisy_risk_of_symmetric(clean, 2.0, eta, 2) for clean in (0.2, 0.7))
        assert (better < worse) == kept
    with pytest.raises(ConfigurationError, match="classes=1"):
        tolerated(1)
    with pytest.raises(ConfigurationError, match=r"eta=1\.5"):
        noisy_risk(np.ones((1, 2)), np.array([0]), 1.5)
    with pytest.raises(ConfigurationError, match="classes=1"):
        noisy_risk(np.ones((1, 1)), np.array([0]), 0.5)
