"""The density of a deep Jacobian's squared singular values, against closed forms and exact moments."""

import math

import jaxtyping
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
    beyond = squared_singular_value_density(Identity(), [1.0] * layers, 1.0, _grid(edge + 0.1, 8.0))
    assert beyond.max() < 2e-3


@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
def test_its_moments_are_the_exact_ones(ensemble) -> None:
    """Mean (sigma_w^2 mu_1)^L and the spread of Pennington et al. (2017), at differing lengths too."""
    q, sigma_w = [0.2, 1.0], 1.3
    grid = _grid(-7.0, 3.0)
    density = squared_singular_value_density(Tanh(), q, sigma_w, grid, ensemble)
    x = grid.exp()
    mean, second = (float(torch.trapezoid(density * x**k, grid)) for k in (1, 2))
    normal = torch.special.ndtri((torch.arange(100_000, dtype=torch.float64) + 0.5) / 1e5)
    slopes = [float((1 - torch.tanh(normal * v**0.5) ** 2).square().mean()) for v in q]
    spread = sum(finite_width.spectrum_spread(Tanh(), v, 1, ensemble) for v in q)
    assert mean == pytest.approx(math.prod(sigma_w**2 * s for s in slopes), rel=0.02)
    assert second / mean**2 - 1 == pytest.approx(spread, rel=0.05)


def test_two_orthogonal_relu_layers_follow_the_arcsine_law() -> None:
    """Two free projections of half the space: x / 4 has the arcsine law, on half of the values."""
    x = torch.linspace(0.05, 3.9, 100, dtype=torch.float64)
    density = squared_singular_value_density(ReLU(), [1.0, 1.0], 2**0.5, x.log(), "orthogonal")
    exact = (x / (4 - x)).sqrt() / (2 * math.pi)
    np.testing.assert_allclose(density, exact, rtol=0.01)


def test_what_makes_no_spectrum_is_refused(monkeypatch) -> None:
    """No layers, no weights, lengths of NaN, another ensemble: named."""
    for q in ([math.nan], [1.0, math.inf]):
        with pytest.raises(ConfigurationError, match="found q="):
            squared_singular_value_density(Tanh(), q, 1.0, _grid(-1, 1))
    with pytest.raises(ConfigurationError, match="sigma_w=inf"):
        squared_singular_value_density(Tanh(), [1.0], math.inf, _grid(-1, 1))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ConfigurationError, match="found ensemble='uniform'"):
        squared_singular_value_density(Tanh(), [1.0], 1.0, _grid(-1, 1), "uniform")
    with pytest.raises(ConfigurationError, match=r"q=\[\]"):
        squared_singular_value_density(Tanh(), [], 1.0, _grid(-1, 1))
    with pytest.raises(ConfigurationError, match="sigma_w=0"):
        squared_singular_value_density(Tanh(), [1.0], 0.0, _grid(-1, 1))
