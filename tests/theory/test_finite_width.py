"""Finite-width laws: published numbers, exact identities, and Monte Carlo over drawn networks."""

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate
from tests.oracles import theory as oracle
from tests.theory.written import Sin

from experiments.activations import ELU, Identity, LeakyReLU, ReLU, Sigmoid, Tanh
from experiments.core.errors import ConfigurationError
from experiments.theory import critical, finite_width, mean_field


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


@pytest.mark.parametrize("width", [1, 7, 50])
def test_linear_log_gain_is_that_of_drawn_layers(width: int) -> None:
    """Mean and variance of ln(chi^2_n / n) over 40,000 draws, within four standard errors; mpmath's psi."""
    logs = np.log(np.random.default_rng(width).chisquare(width, 40_000) / width)
    gain = finite_width.linear_log_gain(width)
    kurtosis = np.mean((logs - logs.mean()) ** 4) / logs.var() ** 2
    assert logs.mean() == pytest.approx(gain.mean, abs=4 * math.sqrt(gain.variance / 40_000))
    assert logs.var() == pytest.approx(
        gain.variance, abs=4 * logs.var() * math.sqrt((kurtosis - 1) / 40_000)
    )
    assert gain.mean == pytest.approx(float(mpmath.digamma(width / 2) + mpmath.log(2 / width)))
    assert gain.variance == pytest.approx(float(mpmath.psi(1, width / 2)))
    assert gain.dead == 0


def drawn_scatter(
    phi, derivative, sigma_w: float, sigma_b: float, depth: int
) -> tuple[float, float]:
    """n Var ln of the squared gradient through ``depth`` layers of 64, over 1,600 networks, and its s.e.

    NumPy; one input of ones, a gradient that starts at random on top of a further layer.
    """
    n, networks, chunk = 64, 1600, 100
    draws, logs = np.random.default_rng(0), []
    for _ in range(networks // chunk):
        a, weights, slopes = np.ones((chunk, n, 1), np.float32), [], []
        for _ in range(depth + 1):
            w = draws.standard_normal((chunk, n, n), np.float32) * np.float32(sigma_w / n**0.5)
            z = w @ a + np.float32(sigma_b) * draws.standard_normal((chunk, n, 1), np.float32)
            a = phi(z)
            weights.append(w)
            slopes.append(derivative(z))
        delta = draws.standard_normal((chunk, n, 1), np.float32) * slopes[-1]
        top = (delta**2).sum((1, 2))
        for w, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
            delta = (w.transpose(0, 2, 1) @ delta) * slope
        logs.append(np.log((delta**2).sum((1, 2)) / top).astype(np.float64))
    found = np.concatenate(logs)
    kurtosis = np.mean((found - found.mean()) ** 4) / found.var() ** 2
    variance = n * float(found.var())
    return variance, variance * math.sqrt((kurtosis - 1) / networks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "phi", "derivative", "sigma_b", "depth"),
    [
        (Tanh(), np.tanh, lambda z: 1 - np.tanh(z) ** 2, 0.05**0.5, 10),
        (Tanh(), np.tanh, lambda z: 1 - np.tanh(z) ** 2, 0.0, 10),
        (ELU(), lambda z: np.where(z > 0, z, np.expm1(z)), lambda z: np.exp(np.minimum(z, 0)),
         0.05**0.5, 10),
    ],
)  # fmt: skip
def test_gradients_scatter_by_their_own_draws_and_by_those_of_the_length(
    activation, phi, derivative, sigma_b: float, depth: int
) -> None:
    """1,600 drawn networks of width 64, depth 10, within 3 s.e. (11 %); own draws alone are not for tanh."""
    start = critical(activation, sigma_b)
    predicted = finite_width.gradient_scatter(activation, start.sigma_w, sigma_b, depth)
    measured, error = drawn_scatter(phi, derivative, start.sigma_w, sigma_b, depth)
    assert measured == pytest.approx(predicted[-1], abs=3 * error)
    assert error < 0.04 * measured
    q, own = [start.sigma_w**2 + sigma_b**2], 0.0
    for _ in range(depth):
        own += float(finite_width.gradient_scatter(activation, 1.0, 0.0, 1, inputs=q[0])[0])
        q = mean_field.length_map(activation, q, start.sigma_w, sigma_b).tolist()
    assert own < measured - (3 * error if isinstance(activation, Tanh) else 0)


def test_the_scatter_settles_at_the_closed_form() -> None:
    """A + s^2 V / (1 - chi)^2 + 2 s C / (1 - chi) by SciPy, for critical tanh: 3.99, A 3.03."""
    start = critical(Tanh())
    q = mean_field.fixed_point(Tanh(), start.sigma_w, start.sigma_b).q

    def mean(f, q: float = q) -> float:
        density = lambda u: f(u) * math.exp(-(u**2) / (2 * q)) / math.sqrt(2 * math.pi * q)  # noqa: E731
        return float(integrate.quad(density, -12, 12, epsabs=1e-13, limit=200)[0])

    def slope_2(u: float) -> float:
        return (1 - math.tanh(u) ** 2) ** 2

    w, h = start.sigma_w**2, 1e-4
    mu_1 = mean(slope_2)
    own = 3 * mean(lambda u: slope_2(u) ** 2) / mu_1**2 - 1
    s = math.log(mean(slope_2, q + h) / mean(slope_2, q - h)) / (2 * h)
    square = mean(lambda u: math.tanh(u) ** 2)
    longer, shorter = (mean(lambda u: math.tanh(u) ** 2, q + step) for step in (h, -h))
    chi = w * (longer - shorter) / (2 * h)
    v = w**2 * (mean(lambda u: math.tanh(u) ** 4) - square**2)
    c = w * (mean(lambda u: math.tanh(u) ** 2 * slope_2(u)) / mu_1 - square)
    rate = own + s**2 * v / (1 - chi) ** 2 + 2 * s * c / (1 - chi)
    found = finite_width.gradient_scatter(Tanh(), start.sigma_w, start.sigma_b, 60)
    assert found[-1] - found[-2] == pytest.approx(rate, rel=1e-6)
    assert (own, rate) == pytest.approx((3.027, 3.994), abs=1e-3)


def test_the_scatter_of_homogeneous_networks_is_the_published_one_at_any_length() -> None:
    """5, 2 and 3 A_4 / A_2^2 - 1 a layer, also where lengths leave the floats; depth 0 is nothing."""
    leaky = 3 * ((1 + 0.01**4) / 2) / ((1 + 0.01**2) / 2) ** 2 - 1
    for activation, rate in ((ReLU(), 5.0), (Identity(), 2.0), (LeakyReLU(0.01), leaky)):
        for sigma_w in (1e-3, 1.0, 1e3):
            found = finite_width.gradient_scatter(activation, sigma_w, 0.0, 4)
            assert found == pytest.approx([rate, 2 * rate, 3 * rate, 4 * rate], rel=1e-9)
    assert finite_width.gradient_scatter(ReLU(), 1.0, 0.0, 0) == ()
    assert all(map(math.isfinite, finite_width.gradient_scatter(ReLU(), 1e3, 0.1, 200)))
    assert all(map(math.isfinite, finite_width.gradient_scatter(Tanh(), 1e-3, 0.0, 200)))


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
        (lambda: finite_width.linear_log_gain(0), "integers from 1"),
        (
            lambda: finite_width.gradient_scatter(ReLU(), 1.0, 0.0, -1),
            "depth and sigma_b of 0 or more",
        ),
        (lambda: finite_width.gradient_scatter(ReLU(), 1.0, -0.1, 1), "sigma_b of 0 or more"),
        (lambda: finite_width.gradient_scatter(ReLU(), math.inf, 0.0, 1), "all finite"),
        (
            lambda: finite_width.gradient_scatter(ReLU(), 1.0, 0.0, 1, inputs=0.0),
            "a nonzero signal",
        ),
        (lambda: finite_width.beta([10, 0]), "integers from 1"),
        (lambda: finite_width.beta([10, True]), "integers from 1"),
        (lambda: finite_width.beta([10], keep=0.0), "ReLU keeps"),
        (lambda: finite_width.jacobian_entry_moments(0, [3]), "integers from 1"),
    ],
)
def test_impossible_networks_are_refused(call, word) -> None:
    """A width of 0 and a share of 0 are named with what is possible."""
    with pytest.raises(ConfigurationError, match=word):
        call()
