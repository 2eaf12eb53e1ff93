"""Finite-width laws: published numbers, exact identities, and Monte Carlo over drawn networks."""

import math

import numpy as np
import pytest
import torch
from tests.oracles import theory as oracle
from tests.theory.written import Sin

from experiments.activations import ELU, Identity, LeakyReLU, ReLU, Sigmoid, Tanh
from experiments.core.errors import ConfigurationError
from experiments.theory import finite_width


@pytest.mark.parametrize(
    ("width", "mean", "variance"),
    [(50, -0.05173878, 0.10816813), (100, -0.02542089, 0.05193999)],
)
def test_log_gain_is_the_published_one(width: int, mean: float, variance: float) -> None:
    """E[psi(K/2)] + ln(4/n) and E[psi'(K/2)] + Var[psi(K/2)] to all printed digits."""
    gain = finite_width.log_gain(width)
    assert (gain.mean, gain.variance) == pytest.approx((mean, variance), abs=5e-9)
    assert gain.dead == 0.5**width


@pytest.mark.parametrize("width", [1, 3, 20, 300])
def test_log_gain_is_that_of_drawn_layers(width: int) -> None:
    """Mean and variance over 20,000 drawn ReLU layers, dead ones left out, within four standard errors."""
    draws = 20_000
    alive = oracle.relu_log_gain(width, draws)
    gain = finite_width.log_gain(width)
    assert alive.mean() == pytest.approx(gain.mean, abs=4 * math.sqrt(gain.variance / len(alive)))
    kurtosis = np.mean((alive - alive.mean()) ** 4) / alive.var() ** 2
    error = alive.var() * math.sqrt((kurtosis - 1) / len(alive))
    assert alive.var() == pytest.approx(gain.variance, abs=4 * error)
    error = math.sqrt(gain.dead / draws)
    assert 1 - len(alive) / draws == pytest.approx(gain.dead, abs=4 * error + 1e-9)


@pytest.mark.parametrize(("width", "depth", "networks"), [(50, 10, 2000), (20, 20, 2000)])
def test_log_norms_of_deep_relu_networks_add_up(width: int, depth: int, networks: int) -> None:
    """ln ||a^L||^2 / ||a^1||^2 over networks: depth times mean and variance, within 3.5 s.e."""
    generator = torch.Generator().manual_seed(1)
    a = torch.ones(networks, 1, width, dtype=torch.float32)
    for _ in range(depth):
        w = torch.randn(networks, width, width, generator=generator) * math.sqrt(2 / width)
        a = torch.relu(a @ w)
    logs = (a.double().square().sum((1, 2)) / width).log().numpy()
    gain = finite_width.log_gain(width)
    mean, variance = depth * gain.mean, depth * gain.variance
    assert logs.mean() == pytest.approx(mean, abs=3.5 * math.sqrt(variance / networks))
    assert logs.var() == pytest.approx(variance, abs=3.5 * variance * math.sqrt(2 / networks))


def test_beta_counts_depth_against_width() -> None:
    """5 sum 1/n for ReLU, 2 sum 1/n linear; uniform weights lower it by where the input points."""
    assert finite_width.beta([50] * 10) == pytest.approx(1.0)
    assert finite_width.beta([50] * 10, keep=1) == pytest.approx(0.4)
    uniform = finite_width.beta([50, 25], fourth_moment=1.8, input_concentration=0.1)
    assert uniform == pytest.approx(5 * (1 / 50 + 1 / 25) - 1.2 * 0.1 / (0.5 * 50))
    law = finite_width.log_norm_law(finite_width.beta([100] * 40))
    assert (law.mean, law.variance) == pytest.approx((-1.0, 2.0))
    gain = finite_width.log_gain(1000)
    assert (gain.mean, gain.variance) == pytest.approx((-2.5e-3, 5e-3), rel=0.02)


def test_jacobian_entries_have_hanins_moments() -> None:
    """E Z^2 = 1/n_1 and E Z^4 = 6/n_1^2 prod(1 + 5/n): .1 and .09, and 2e5 draws agree."""
    second, fourth = finite_width.jacobian_entry_moments(10, [10])
    assert (second, fourth) == pytest.approx((0.1, 0.09))
    assert finite_width.jacobian_entry_moments(10, [10], rectified_output=False) == pytest.approx(
        (0.2, 0.18)
    )
    draws = np.random.default_rng(0)
    z2, z4, count, chunk = 0.0, 0.0, 200_000, 50_000
    for _ in range(count // chunk):
        w1 = draws.standard_normal((chunk, 10, 10)) * math.sqrt(2 / 10)
        w2 = draws.standard_normal((chunk, 10)) * math.sqrt(2 / 10)
        z1 = w1.sum(2)  # input of ones
        out = (w2 * np.maximum(z1, 0)).sum(1)
        entry = (w2 * (z1 > 0) * w1[:, :, 0]).sum(1) * (out > 0)
        z2, z4 = z2 + (entry**2).sum(), z4 + (entry**4).sum()
    assert z2 / count == pytest.approx(second, rel=0.02)
    assert z4 / count == pytest.approx(fourth, rel=0.05)


@pytest.mark.parametrize(
    ("activation", "ensemble", "per_layer"),
    [
        (Identity(), "gaussian", 1.0),
        (ReLU(), "gaussian", 2.0),
        (ReLU(), "orthogonal", 1.0),
        (Identity(), "orthogonal", 0.0),
    ],
)
def test_spectra_spread_by_the_published_law(activation, ensemble, per_layer) -> None:
    """L, 2 L, L and 0; the probes' tests compare the same numbers with measured spectra."""
    for depth in (2, 8):
        found = finite_width.spectrum_spread(activation, 1.3, depth, ensemble)
        assert found == pytest.approx(per_layer * depth, abs=1e-10)


def test_saturation_widens_a_spectrum_and_orthogonal_weights_narrow_it() -> None:
    """tanh at q -> 0 is linear; mu_2 / mu_1^2 grows with q; Gaussian minus orthogonal is the depth."""
    small, large = (finite_width.spectrum_spread(Tanh(), q, 5, "orthogonal") for q in (1e-9, 2.0))
    assert small == pytest.approx(0, abs=1e-6)
    assert large > 1
    assert finite_width.spectrum_spread(Tanh(), 2.0, 5) - large == pytest.approx(5)


def test_the_edge_of_a_linear_spectrum() -> None:
    """(L + 1)^(L + 1) / L^L: 4, 6.75 and 23.09."""
    edges = [finite_width.largest_squared_singular_value(depth) for depth in (1, 2, 8)]
    assert edges == pytest.approx([4, 6.75, 23.0925], rel=1e-4)


def test_fluctuation_rates_of_the_known_classes() -> None:
    """nu: 5 for ReLU, 2 linear, 3 A_4 / A_2^2 - 1 for LeakyReLU, 2/3 for tanh and sin."""
    assert finite_width.fluctuation_rate(ReLU()) == pytest.approx(5)
    assert finite_width.fluctuation_rate(Identity()) == pytest.approx(2)
    leaky = 3 * ((1 + 0.01**4) / 2) / ((1 + 0.01**2) / 2) ** 2 - 1
    assert finite_width.fluctuation_rate(LeakyReLU(0.01)) == pytest.approx(leaky)
    assert finite_width.fluctuation_rate(Tanh()) == pytest.approx(2 / 3)
    assert finite_width.fluctuation_rate(Sin()) == pytest.approx(2 / 3)
    for other in (Sigmoid(), ELU()):
        with pytest.raises(ConfigurationError, match="measure the spread"):
            finite_width.fluctuation_rate(other)


@pytest.mark.parametrize(
    ("activation", "ratios", "best"),
    [
        (Tanh(), (0.2608696, 0.12), 12),
        (Identity(), (0.0869565, 0.04), 4),
        (ReLU(), (0.0347826, 0.016), 1.6),
    ],
)
def test_aspect_ratios_are_the_books(activation, ratios, best) -> None:
    """r* for one and ten outputs, and L* at width 100."""
    nu = finite_width.fluctuation_rate(activation)
    found = tuple(finite_width.optimal_aspect_ratio(n_out, nu) for n_out in (1, 10))
    assert found == pytest.approx(ratios, rel=1e-6)
    assert 100 * found[1] == pytest.approx(best)


def test_skips_lower_the_fluctuations() -> None:
    """residual_nu: nu without a skip, 0 with a full one, falling in between, for both classes."""
    for scale_invariant, nu in ((True, 5.0), (False, 2 / 3)):
        found = [finite_width.residual_nu(nu, g, scale_invariant) for g in (0, 0.3, 0.6, 0.9, 1)]
        assert found[0] == pytest.approx(nu)
        assert found[-1] == 0
        assert found == sorted(found, reverse=True)
    assert finite_width.residual_nu(5.0, 0.5, True) == pytest.approx(0.75 * (0.75 * 5 + 1))


@pytest.mark.parametrize(
    ("nu", "exact"), [(5, (0.2155, 0.5513, 1.527)), (2, (0.0824, 0.1951, 0.4568))]
)
def test_four_point_functions_are_the_published_ones(nu, exact) -> None:
    """(1 + nu/n)^(l-1) - 1 at n = 100 and layers 5, 10, 20; leading order is 0.95 where ReLU has 1.527."""
    found = tuple(finite_width.four_point(100, layer, nu) for layer in (5, 10, 20))
    assert found == pytest.approx(exact, abs=6e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "gain", "nu", "tolerance"),
    [(torch.relu, 2.0, 5, 0.08), (torch.tanh, 1.0, 2 / 3, 0.15)],
)
def test_four_point_functions_of_drawn_networks(activation, gain, nu, tolerance) -> None:
    """V / (n K^2) over 4,000 networks of width 100 at layers 5 and 10, within 8 % (ReLU) and 15 % (tanh)."""
    n, networks = 100, 4000
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(networks, n, generator=generator)
    for layer in range(2, 11):
        w = torch.randn(networks, n, n, generator=generator) * math.sqrt(gain / n)
        z = (activation(z)[:, None, :] @ w)[:, 0]
        if layer in (5, 10):
            size = z.double().square().mean(1)
            # of Gaussian units alone, the variance of the mean square is 2 K^2 / n
            found = (float(size.var()) - 2 * float(size.square().mean()) / n) / float(
                size.mean()
            ) ** 2
            expected = finite_width.four_point(n, layer, nu) if nu > 1 else nu * (layer - 1) / n
            assert found == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: finite_width.log_gain(0), "integers from 1"),
        (lambda: finite_width.beta([10, 0]), "integers from 1"),
        (lambda: finite_width.beta([10], keep=0.0), "ReLU keeps"),
        (lambda: finite_width.jacobian_entry_moments(0, [3]), "integers from 1"),
    ],
)
def test_impossible_networks_are_refused(call, word) -> None:
    """A width of 0 and a share of 0 are named with what is possible."""
    with pytest.raises(ConfigurationError, match=word):
        call()
