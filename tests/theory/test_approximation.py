"""Networks that are written down: what they are made of, and their errors against the bounds."""

import math

import pytest
import torch

from experiments.activations import (
    ELU,
    GELU,
    SELU,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from experiments.core.activation import Activation
from experiments.core.errors import ConfigurationError
from experiments.data import power, sine, tent
from experiments.initializers import LeCun
from experiments.models import MLP
from experiments.theory.approximation import written_down

X = torch.linspace(0, 1, 20_001, dtype=torch.float64)
FLAT_ON_BOTH_SIDES = [Sigmoid(), Tanh()]
FLAT_ON_THE_LEFT = [ReLU(), ELU(), ELU(0.5), SELU(), GELU(), SiLU(), Softplus()]


def largest_error(sigma: Activation, function, neurons: int) -> float:
    """On a grid that contains the middles between the knots."""
    network = written_down(sigma, function, neurons)
    assert network is not None
    return float((network(X) - function(X[:, None])).abs().max())


@pytest.mark.parametrize("neurons", [4, 20, 100])
@pytest.mark.parametrize("sigma", FLAT_ON_BOTH_SIDES, ids=str)
def test_a_staircase_attains_half_a_step_of_the_steepest_slope(sigma, neurons) -> None:
    """max|F'| / (2N) = pi/N for one period of a sine: a bound, and nearly the error."""
    error = largest_error(sigma, lambda x: sine(x, 1), neurons)
    assert 0.89 * math.pi / neurons < error <= math.pi / neurons * (1 + 1e-6)


@pytest.mark.parametrize("neurons", [4, 20, 100])
@pytest.mark.parametrize("sigma", FLAT_ON_THE_LEFT, ids=str)
def test_straight_pieces_of_a_square_are_wrong_by_a_quarter_of_a_piece_squared(
    sigma, neurons
) -> None:
    """max|F''| / (8 N^2) = 1 / (4 N^2) exactly, in the middle of every piece."""
    error = largest_error(sigma, lambda x: power(x, 2), neurons)
    assert error == pytest.approx(1 / (4 * neurons**2), rel=1e-3)


@pytest.mark.parametrize("sigma", [*FLAT_ON_BOTH_SIDES, *FLAT_ON_THE_LEFT], ids=str)
def test_it_is_a_network_of_this_package(sigma) -> None:
    """An MLP with these weights has these outputs."""
    network = written_down(sigma, lambda x: tent(x, 2), 16)
    assert network is not None
    net = MLP((1, 16, 1), sigma, LeCun(), seed=0).double()
    with torch.no_grad():
        net.weights[0].copy_(network.w[:, None])
        net.biases[0].copy_(network.b)
        net.weights[1].copy_(network.v[None])
        net.biases[1].fill_(network.c)
        torch.testing.assert_close(net(X[:, None])[:, 0], network(X))


@pytest.mark.parametrize("sigma", [Identity(), LeakyReLU()], ids=str)
def test_an_activation_that_is_flat_nowhere_has_none(sigma) -> None:
    """Steps and bends would not stay where they are."""
    assert written_down(sigma, lambda x: power(x, 2), 4) is None


def test_networks_without_neurons_are_refused() -> None:
    """The error of a constant is another question."""
    with pytest.raises(ConfigurationError, match="neurons=0"):
        written_down(ReLU(), lambda x: power(x, 2), 0)
