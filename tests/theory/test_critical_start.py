"""The critical initializer, and how far the common ones are from it."""

import math

import pytest
from tests.theory.written import HardTanh

from experiments.activations import ELU, GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from experiments.core.errors import ConfigurationError
from experiments.initializers import Gaussian, Glorot, He, LeCun, TorchDefault
from experiments.theory import NoCriticalPointError, critical, mean_field, starting_points


@pytest.mark.parametrize(
    ("activation", "weight_variance", "bias_variance"),
    [
        (Tanh(), 1.760954640, 0.05),
        (ELU(), 1.533718332, 0.05),
        (ReLU(), 2.0, 0.0),
        (GELU(), None, 0.2),
        (SiLU(), None, 1.0),
        (HardTanh(), None, 0.05),
    ],
)
def test_the_critical_initializer_is_critical(activation, weight_variance, bias_variance) -> None:
    """chi = 1 at what it gives, with the first sigma_b of its list at which that is possible."""
    initializer = critical(activation)
    assert isinstance(initializer, Gaussian)
    assert initializer.sigma_b**2 == pytest.approx(bias_variance, abs=1e-12)
    if weight_variance is not None:
        assert initializer.sigma_w**2 == pytest.approx(weight_variance, rel=1e-8)
    point = mean_field.fixed_point(activation, initializer.sigma_w, initializer.sigma_b)
    assert point.chi == pytest.approx(1, abs=1e-8)


def test_a_given_sigma_b_is_kept_or_refused() -> None:
    """critical(Tanh(), 0) is sigma_w = 1; ReLU with biases and Softplus at all have no critical point."""
    assert critical(Tanh(), 0).sigma_w == pytest.approx(1, abs=1e-9)
    with pytest.raises(NoCriticalPointError, match=r"sigma_b=0\.3"):
        critical(ReLU(), 0.3)
    with pytest.raises(NoCriticalPointError, match="at any sigma_b"):
        critical(Softplus())


@pytest.mark.parametrize("activation", [Tanh(), Sigmoid(), ELU(), ReLU()])
def test_a_start_at_a_distance_from_criticality(activation) -> None:
    """``ratio`` multiplies sigma_w^2 and leaves the biases; below 1 chi < 1, above it chi > 1."""
    start = critical(activation)
    for ratio in (0.5, 1.25, 2):
        away = critical(activation, ratio=ratio)
        assert away.sigma_b == start.sigma_b
        assert away.sigma_w**2 == pytest.approx(ratio * start.sigma_w**2, rel=1e-12)
        point = mean_field.fixed_point(activation, away.sigma_w, away.sigma_b)
        assert (point.chi > 1) == (ratio > 1)
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ConfigurationError, match="ratio"):
            critical(activation, ratio=wrong)


# Factors on the gradient norm a layer at sigma_w^2 = 1/3 without biases: 0.577, 0.577, 0.408, 0.141.
@pytest.mark.parametrize(
    ("activation", "factor"),
    [
        (Tanh(), math.sqrt(1 / 3)),
        (ELU(), math.sqrt(1 / 3)),
        (ReLU(), math.sqrt(1 / 6)),
        (Sigmoid(), 0.1414),
    ],
)
def test_torchs_default_is_a_vanishing_gradient_choice(activation, factor) -> None:
    """In the bias-free limit of wide layers torch.nn.Linear loses 0.58, 0.58, 0.41, 0.14 a layer."""
    row = starting_points({"phi": activation}, {"torch": TorchDefault()}, width=10**12)[0]
    assert row.factor == pytest.approx(factor, rel=1e-3)
    assert row.trainable_depth < 25


def test_every_pair_has_a_row() -> None:
    """2 activations x 3 initializers: names, scales, phases and distances; ReLU with He is critical."""
    rows = starting_points(
        {"relu": ReLU(), "sigmoid": Sigmoid()},
        {"he": He(), "glorot": Glorot(), "lecun": LeCun()},
    )
    assert [(r.activation, r.initializer) for r in rows] == [
        (a, i) for a in ("relu", "sigmoid") for i in ("he", "glorot", "lecun")
    ]
    he, glorot = rows[0], rows[1]
    assert (he.point.phase, he.distance, he.trainable_depth) == (
        "critical",
        pytest.approx(1),
        math.inf,
    )
    assert (glorot.sigma_w, glorot.factor) == pytest.approx((1, math.sqrt(0.5)))
    assert rows[4].distance == pytest.approx(1 / 10.149, rel=1e-4)
    odd = starting_points({"softplus": Softplus()}, {"he": He()})[0]
    assert (odd.critical_sigma_w, odd.distance) == (None, 0)
