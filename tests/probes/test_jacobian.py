"""Singular values of live Jacobians against autograd's Jacobian and NumPy's SVD, and published spectra."""

import math

import numpy as np
import pytest
import torch

from experiments.activations import ELU, Identity, ReLU, Sigmoid, Tanh
from experiments.core.initializer import Initializer
from experiments.initializers import Gaussian, Glorot, He, LeCun, Orthogonal
from experiments.models import MLP
from experiments.probes import (
    log10_largest_singular_values,
    log10_partial_singular_values,
    log10_singular_values,
    spectrum_spread,
)

pytestmark = pytest.mark.usefixtures("float64")


def jacobian_of(f, x: torch.Tensor) -> np.ndarray:
    """Autograd's Jacobian of one example."""
    return torch.autograd.functional.jacobian(f, x).detach().numpy()


@pytest.mark.parametrize("activation", [Sigmoid(), Tanh(), ReLU(), ELU()])
def test_values_are_those_of_autograds_jacobian(activation) -> None:
    """End to end and from every layer up, for each run and example of a stack, to 1e-10."""
    net = MLP((4, 6, 5, 3), activation, LeCun(), output_activation=Tanh(), runs=2, seed=1)
    x = torch.randn(3, 4)
    found = 10 ** log10_singular_values(net, x)
    partial = [10**values for values in log10_partial_singular_values(net, x)]
    for r in range(2):
        alone = MLP((4, 6, 5, 3), activation, LeCun(), output_activation=Tanh(), seed=1 + r)
        for d in range(3):
            for k in range(3):

                def up_to(v: torch.Tensor, k: int = k, alone: MLP = alone) -> torch.Tensor:
                    for layer in alone.dense_layers[: k + 1]:
                        v = layer(v[None])[0]
                    return v

                expected = np.linalg.svd(jacobian_of(up_to, x[d]), compute_uv=False)
                np.testing.assert_allclose(partial[k][r, d], expected, rtol=1e-9, atol=1e-13)
            np.testing.assert_allclose(found[r, d], expected, rtol=1e-9, atol=1e-13)
            np.testing.assert_allclose(
                10 ** log10_singular_values(alone, x)[d], expected, rtol=1e-9, atol=1e-13
            )


def test_a_part_in_the_middle_is_the_product_of_its_layers() -> None:
    """Layers 1 to 2 of four: singular values of D W D W, formed by hand in NumPy."""
    net = MLP((3, 5, 6, 4, 2), Tanh(), LeCun(), seed=0)
    x = torch.randn(1, 3)
    found = 10 ** log10_singular_values(net, x, first=1, last=2)[0]
    a, slopes = x, []
    for layer in net.dense_layers:
        z, a = layer.trace(a)
        slopes.append(1 - np.tanh(z.detach().numpy()[0]) ** 2)
    w = [weight.detach().numpy() for weight in net.weights]
    product = np.diag(slopes[2]) @ w[2] @ np.diag(slopes[1]) @ w[1]
    np.testing.assert_allclose(found, np.linalg.svd(product, compute_uv=False), rtol=1e-10)


def test_a_thousand_sigmoid_layers_are_below_any_float() -> None:
    """Logarithms stay finite, near -690, where the values underflow, and both ways agree."""
    net = MLP([6] * 1002, Sigmoid(), Glorot(), seed=0)
    x = torch.ones(1, 6)
    dense = log10_singular_values(net, x)[0]
    free = log10_largest_singular_values(net, x)[0]
    assert -900 < dense[0] < -500
    torch.testing.assert_close(free, dense[:1], rtol=1e-9, atol=0)


@pytest.mark.parametrize("activation", [Tanh(), ReLU(), Identity()])
def test_matrix_free_values_are_the_dense_ones(activation) -> None:
    """The five largest, matrix-free, equal those of the dense product to 1e-7, per run and example."""
    net = MLP((40, 60, 50, 40), activation, He(), runs=3, seed=0)
    x = torch.randn(2, 40)
    dense = log10_singular_values(net, x)[..., :5]
    torch.testing.assert_close(log10_largest_singular_values(net, x, 5), dense, rtol=0, atol=1e-7)


def test_matrix_free_values_of_a_dead_network_are_zero() -> None:
    """A Jacobian of zeros has log10 values of -inf, not NaN, both ways."""
    net = MLP((3, 4, 2), ReLU(), He(), seed=0)
    with torch.no_grad():
        net.biases[0].fill_(-100.0)
    x = torch.ones(1, 3)
    assert torch.equal(log10_singular_values(net, x), torch.full((1, 2), -math.inf))
    assert torch.equal(log10_largest_singular_values(net, x, 2), torch.full((1, 2), -math.inf))


@pytest.mark.parametrize("n", [2, 5, 6, 8])
@pytest.mark.parametrize("gain", [1.0, 0.5, 1e-3])
def test_a_value_is_found_as_often_as_it_occurs(n: int, gain: float) -> None:
    """W = gain I has n equal singular values, all of which the matrix-free way gives."""
    net = MLP((n, n), Identity(), Orthogonal(), seed=0)
    with torch.no_grad():
        net.weights[0].copy_(gain * torch.eye(n))
    found = log10_largest_singular_values(net, torch.ones(1, n), n)
    torch.testing.assert_close(found, torch.full((1, n), math.log10(gain)))


@pytest.mark.parametrize("rest", ["spread", "equal"])
def test_repeated_values_among_others_are_found(rest: str) -> None:
    """Five singular values of 2 above 35 smaller ones, spread or all alike, in random directions."""
    smaller = torch.rand(35) if rest == "spread" else torch.full((35,), 0.5)
    left, right = (torch.linalg.qr(torch.randn(40, 40)).Q for _ in range(2))
    net = MLP((40, 40), Identity(), Orthogonal(), seed=0)
    with torch.no_grad():
        net.weights[0].copy_(left @ torch.diag(torch.cat([torch.full((5,), 2.0), smaller])) @ right)
    found = log10_largest_singular_values(net, torch.ones(1, 40), 5)
    torch.testing.assert_close(found, torch.full((1, 5), math.log10(2)))


def test_a_jacobian_that_is_not_finite_is_an_outcome() -> None:
    """Run 1 of two has a weight of NaN, then of infinity: NaN there, run 0 as if it were alone."""
    x = torch.randn(2, 3)
    alone = MLP((3, 4, 2), Identity(), LeCun(), seed=0)
    for bad in (math.nan, math.inf):
        stack = MLP((3, 4, 2), Identity(), LeCun(), runs=2, seed=0)
        with torch.no_grad():
            stack.weights[0][1, 0, 0] = bad
        for probe in (
            log10_singular_values,
            lambda net, x: log10_largest_singular_values(net, x, 2),
            lambda net, x: log10_partial_singular_values(net, x)[-1],
        ):
            found = probe(stack, x)
            torch.testing.assert_close(found[0], probe(alone, x))
            assert bool(found[1].isnan().all())


def test_a_slope_at_the_end_of_the_floats_keeps_its_size() -> None:
    """sigma'(-740) = e^-740, a subnormal number: its log10 within its few digits, both ways."""
    net = MLP((1, 1, 1), Sigmoid(), LeCun(), seed=0)
    with torch.no_grad():
        net.weights[0].fill_(-740.0)
        net.weights[1].fill_(1.0)
    expected = math.log10(740) - 740 / math.log(10)
    for probe in (log10_singular_values, log10_largest_singular_values):
        assert float(probe(net, torch.ones(1, 1))) == pytest.approx(expected, abs=0.01)


def test_orthogonal_linear_networks_are_isometries() -> None:
    """Every singular value of a 30-layer orthogonal linear network is 1 to 1e-12."""
    net = MLP([20] * 32, Identity(), Orthogonal(), seed=0)
    assert float(log10_singular_values(net, torch.ones(1, 20)).abs().max()) < 1e-12


# Measured by other code at n = 400 with 4 networks; the theory is depth, 2 depth, depth.
SPECTRA = [
    (Identity(), LeCun(), 2, 2.0),
    (Identity(), LeCun(), 8, 8.0),
    (ReLU(), He(), 2, 4.0),
    (ReLU(), He(), 8, 16.0),
    (ReLU(), Orthogonal(gain=math.sqrt(2)), 2, 2.0),
    (ReLU(), Orthogonal(gain=math.sqrt(2)), 8, 8.0),
]


def spread_of(activation, initializer: Initializer, depth: int, n: int, runs: int) -> float:
    """Mean over networks; the output keeps the activation, as in the theory."""
    net = MLP(
        [n] * (depth + 1), activation, initializer, output_activation=activation, runs=runs, seed=0
    )
    return float(spectrum_spread(log10_singular_values(net, torch.randn(1, n))).mean())


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "initializer", "depth", "expected"), SPECTRA)
def test_spectra_spread_as_published(activation, initializer, depth, expected) -> None:
    """Variance over squared mean of the squared singular values is the theory's within 6 %."""
    found = spread_of(activation, initializer, depth, 400, 8)
    assert found == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(("activation", "initializer", "depth", "expected"), SPECTRA[::2])
def test_spectra_spread_as_published_in_miniature(activation, initializer, depth, expected) -> None:
    """The same at n = 128 and depth 2, within 12 %."""
    assert spread_of(activation, initializer, depth, 128, 6) == pytest.approx(expected, rel=0.12)


def test_largest_value_of_a_linear_product_is_near_its_edge() -> None:
    """L = 2: (L + 1)^(L + 1) / L^L = 6.75; a finite product overshoots by a few per cent."""
    net = MLP([200] * 3, Identity(), LeCun(), runs=4, seed=0)
    largest = 10 ** (2 * log10_largest_singular_values(net, torch.ones(1, 200)))
    assert float(largest.mean()) == pytest.approx(6.75, rel=0.06)


# Glorot & Bengio's experiment: n = 1000, five tanh layers, inputs of standard deviation 0.1.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("initializer", "mean", "tolerance"),
    [(Gaussian(math.sqrt(1 / 3)), 0.49, 0.01), (Glorot(), 0.84, 0.02)],
)
def test_glorots_mean_singular_values(initializer, mean, tolerance) -> None:
    """Average singular value of a layer's Jacobian: 0.49 for the old heuristic, 0.84 normalised."""
    net = MLP([1000] * 6, Tanh(), initializer, output_activation=Tanh(), seed=0)
    x = 0.1 * torch.randn(1, 1000)
    for k in range(5):
        found = float((10 ** log10_singular_values(net, x, first=k, last=k)).mean())
        assert found == pytest.approx(mean, abs=tolerance)


def test_impossible_requests_are_refused() -> None:
    """A range of layers that is not there, and more values than there are, name what is possible."""
    net = MLP((3, 4, 2), Tanh(), LeCun(), seed=0)
    with pytest.raises(ValueError, match="choose within"):
        log10_singular_values(net, torch.ones(1, 3), first=1, last=5)
    with pytest.raises(ValueError, match="1 to 2"):
        log10_largest_singular_values(net, torch.ones(1, 3), count=3)


def test_probing_draws_no_random_numbers_and_keeps_no_gradient() -> None:
    """The global random state and every ``.grad`` are as before."""
    net = MLP((5, 6, 4), Tanh(), LeCun(), seed=0)
    before = torch.random.get_rng_state()
    log10_largest_singular_values(net, torch.ones(1, 5))
    log10_singular_values(net, torch.ones(1, 5))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(("skip", "normalize"), [(True, False), (False, True), (True, True)])
def test_skips_and_normalisation_are_part_of_the_jacobian(skip: bool, normalize: bool) -> None:
    """Both ways equal the singular values of autograd's Jacobian of the network with its remedies."""
    net = MLP((5, 5, 5, 4), Tanh(), LeCun(), seed=0, skip=skip, normalize=normalize)
    x = torch.randn(2, 5)
    dense, free = log10_singular_values(net, x), log10_largest_singular_values(net, x, 2)
    for d in range(2):
        jacobian = jacobian_of(lambda v: net(v[None])[0], x[d])
        expected = np.linalg.svd(jacobian, compute_uv=False)
        np.testing.assert_allclose(10 ** dense[d], expected, rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(10 ** free[d], expected[:2], rtol=1e-7)


@pytest.mark.parametrize("width", [1, 4])
def test_neurons_that_agree_are_normalised_by_the_guard_alone(width: int) -> None:
    """Equal z in every neuron, where layer_norm divides by sqrt(1e-5): autograd's Jacobian."""
    net = MLP((3, width, 2), Tanh(), LeCun(), seed=0, normalize=True)
    with torch.no_grad():
        net.weights[0].copy_(net.weights[0][:1].expand(width, 3))
        net.biases[0].zero_()
    x = torch.randn(1, 3)
    with torch.no_grad():  # rows that agree at x alone, so that the Jacobian is not 0
        net.weights[0][-1] += torch.linalg.cross(x[0], torch.ones(3))
    expected = np.linalg.svd(jacobian_of(lambda v: net(v[None])[0], x[0]), compute_uv=False)
    found = 10 ** log10_singular_values(net, x)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
