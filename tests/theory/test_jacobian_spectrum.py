"""The density of a deep Jacobian's squared singular values, against closed forms and exact moments."""

import math

import numpy as np
import pytest
import torch

from experiments.activations import Identity, ReLU, Tanh
from experiments.core.errors import ConfigurationError
from experiments.theory import finite_width, squared_singular_value_density


def _grid(low: float, high: float, points: int = 400) -> torch.Tensor:
    return torch.linspace(low, high, points, dtype=torch.float64)


@pytest.mark.parametrize("layers", [2, 8, 32])
def test_a_product_of_gaussian_matrices_has_the_closed_form(layers: int) -> None:
    """Haagerup & Moeller (2013): x = sin((L+1)t)^(L+1) / (sin t sin(Lt)^L), density in closed form."""
    t = np.linspace(1e-4, math.pi / (layers + 1) - 1e-4, 200_001)
    s, sl, sl1 = (np.sin(k * t) for k in (1, layers, layers + 1))
    ln_x = (layers + 1) * np.log(sl1) - np.log(s) - layers * np.log(sl)
    exact = s**2 * sl ** (layers - 1) / (math.pi * sl1**layers) * np.exp(ln_x)
    edge = math.log(finite_width.largest_squared_singular_value(layers))
    grid = _grid(-2.0 * layers, edge - 0.05)
    found = squared_singular_value_density(Identity(), [1.0] * layers, 1.0, grid)
    np.testing.assert_allclose(found, np.interp(grid, ln_x[::-1], exact[::-1]), atol=1e-3)
    assert squared_singular_value_density(Identity(), [1.0] * layers, 1.0, _grid(edge + 0.1, 8.0)).max() < 2e-3


@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
def test_its_moments_are_the_exact_ones(ensemble) -> None:
    """Mean (sigma_w^2 mu_1)^L and the spread of Pennington et al. (2017), at differing lengths too."""
    q, sigma_w = [0.2, 0.5, 0.5, 1.0], 1.3
    grid = _grid(-16.0, 5.0, 3000)
    density = squared_singular_value_density(Tanh(), q, sigma_w, grid, ensemble)
    x = grid.exp()
    mass, mean, second = (float(torch.trapezoid(density * x**k, grid)) for k in (0, 1, 2))
    slopes = [float((1 - torch.tanh(_normal() * v**0.5) ** 2).square().mean()) for v in q]
    spread = sum(finite_width.spectrum_spread(Tanh(), v, 1, ensemble) for v in q)
    assert mass == pytest.approx(1.0, abs=0.02)
    assert mean == pytest.approx(math.prod(sigma_w**2 * s for s in slopes), rel=0.02)
    assert second / mean**2 - 1 == pytest.approx(spread, rel=0.05)


def _normal() -> torch.Tensor:
    """A million equally likely values of a standard normal."""
    return torch.special.ndtri((torch.arange(1_000_000, dtype=torch.float64) + 0.5) / 1e6)


@pytest.mark.parametrize(("ensemble", "spread"), [("gaussian", 4.0), ("orthogonal", 2.0)])
def test_relu_is_as_wide_as_its_dead_units_make_it(ensemble, spread) -> None:
    """Drawn here in NumPy: two layers of 400 ReLU units, the upper three quarters of the spectrum."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(6):
        jacobian = np.eye(400)
        for _ in range(2):
            w = rng.standard_normal((400, 400)) / 20
            if ensemble == "orthogonal":
                w = np.linalg.qr(w)[0]
            jacobian = (rng.random(400) < 0.5)[:, None] * (2**0.5 * w) @ jacobian
        drawn.append(np.linalg.svd(jacobian, compute_uv=False) ** 2)
    x = np.concatenate(drawn)
    assert x.var() / x.mean() ** 2 == pytest.approx(spread, rel=0.06)
    edges = np.linspace(-1.0, 2.6, 10)
    grid = _grid(-1.0, 2.6, 1801)
    density = squared_singular_value_density(ReLU(), [1.0, 1.0], 2**0.5, grid, ensemble).numpy()
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (grid.numpy() >= low) & (grid.numpy() <= high)
        share = ((np.log(x[x > 1e-9]) > low) & (np.log(x[x > 1e-9]) <= high)).sum() / len(x)
        assert np.trapezoid(density[inside], grid.numpy()[inside]) == pytest.approx(share, abs=0.012)


def test_what_makes_no_spectrum_is_refused() -> None:
    """No layers, no weights, an unknown ensemble: named."""
    with pytest.raises(ConfigurationError, match=r"q=\[\]"):
        squared_singular_value_density(Tanh(), [], 1.0, _grid(-1, 1))
    with pytest.raises(ConfigurationError, match="sigma_w=0"):
        squared_singular_value_density(Tanh(), [1.0], 0.0, _grid(-1, 1))
    with pytest.raises(ConfigurationError, match="'uniform'"):
        squared_singular_value_density(Tanh(), [1.0], 1.0, _grid(-1, 1), "uniform")
