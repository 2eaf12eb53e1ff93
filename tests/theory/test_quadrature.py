"""Gaussian averages against closed forms, adaptive quadrature and Gauss-Hermite."""

import jaxtyping
import numpy as np
import pytest
import torch
from scipy import special
from tests.oracles import theory as oracle
from tests.theory.written import Erf, HardTanh, Logarithm, Sin, SinglePrecision, Steep

from experiments.activations import ELU, ReLU, Sigmoid, Tanh
from experiments.core.errors import ConfigurationError
from experiments.theory import mean_field
from experiments.theory.mesh import mesh
from experiments.theory.quadrature import Quadrature

LENGTHS = (1e-6, 0.05, 0.3, 2.0, 30.0, 4e3)

# value, derivative, kinks: of the activation, written again in NumPy
WRITTEN_AGAIN = {
    "tanh": (Tanh(), np.tanh, lambda u: np.cosh(np.clip(u, -300, 300)) ** -2, ()),
    "sigmoid": (Sigmoid(), special.expit, lambda u: special.expit(u) * special.expit(-u), ()),
    "hardtanh": (
        HardTanh(),
        lambda u: np.clip(u, -1, 1),
        lambda u: 1.0 * (abs(u) < 1),
        (-1.0, 1.0),
    ),
    "steep": (
        Steep(),
        lambda u: np.tanh(30 * (u - 1.3)),
        lambda u: 30 * np.cosh(np.clip(30 * (u - 1.3), -300, 300)) ** -2,
        (1.0, 1.2, 1.3, 1.4, 1.6),
    ),
}


def one(x: float) -> torch.Tensor:
    """A single point."""
    return torch.tensor([x], dtype=torch.float64)


@pytest.mark.parametrize("q", LENGTHS)
@pytest.mark.parametrize("name", WRITTEN_AGAIN)
def test_single_averages_are_those_of_adaptive_quadrature(name: str, q: float) -> None:
    """E phi^2, E phi'^2, E u phi phi' and E phi'^4 agree to 1e-10 from tiny to huge variances."""
    activation, value, derivative, kinks = WRITTEN_AGAIN[name]
    quadrature = Quadrature(activation)
    found = [float(x) for x in (*quadrature.single(one(q)), quadrature.slope_squared(one(q)))]
    integrands = (
        lambda u: value(u) ** 2,
        lambda u: derivative(u) ** 2,
        lambda u: u * value(u) * derivative(u),
        lambda u: derivative(u) ** 4,
    )
    for number, integrand in zip(found, integrands, strict=True):
        expected = oracle.gaussian_mean(integrand, q, (*kinks, -3.0, 3.0, -20.0, 20.0))
        assert number == pytest.approx(expected, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("q", [*LENGTHS, 1e12])
def test_averages_of_elu_and_relu_are_their_closed_forms(q: float) -> None:
    """The kink of ELU and ReLU costs no digits: 1e-12 against erfcx."""
    elu, relu = Quadrature(ELU()).single(one(q)), Quadrature(ReLU()).single(one(q))
    assert float(elu.slope) == pytest.approx(oracle.elu_slope(q), rel=1e-12)
    if q > 1e-3:  # below, the closed form itself cancels
        assert float(elu.second_moment) == pytest.approx(oracle.elu_second_moment(q), rel=1e-12)
    assert float(relu.second_moment) == pytest.approx(q / 2, rel=1e-13)
    assert float(relu.slope) == pytest.approx(0.5, rel=1e-13)


@pytest.mark.parametrize("c", [-0.9, -0.2, 0.0, 0.3, 0.99, 0.999999])
@pytest.mark.parametrize(
    ("activation", "kernel"), [(Erf(), oracle.erf_pair_mean), (Sin(), oracle.sin_pair_mean)]
)
def test_pair_averages_are_the_closed_forms_of_erf_and_sin(activation, kernel, c: float) -> None:
    """E (phi(u) - phi(v))^2 = 2 (K(1) - K(c)) for both signs of c and close to 1."""
    for q in (0.1, 1.7, 6.0):
        pair = Quadrature(activation).pair(one(q), one(1 - abs(c)), mirrored=c < 0)
        expected = 2 * (kernel(q, 1.0) - kernel(q, c))
        assert float(pair.distance) == pytest.approx(expected, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("c", [-0.5, 0.1, 0.8])
def test_pair_slopes_of_tanh_are_those_of_gauss_hermite(c: float) -> None:
    """E phi'(u) phi'(v) and E (phi'(u) phi'(v))^2 agree with a product rule to 1e-9."""
    pair = Quadrature(Tanh()).pair(one(0.7), one(1 - abs(c)), mirrored=c < 0)
    slope = oracle.pair_mean(lambda u: np.cosh(u) ** -2, 0.7, c)
    squared = oracle.pair_mean(lambda u: np.cosh(u) ** -4, 0.7, c)
    assert float(pair.slope) == pytest.approx(slope, rel=1e-9)
    assert float(pair.slope_squared) == pytest.approx(squared, rel=1e-9)


@pytest.mark.parametrize(("weight_variance", "loss"), [(64, 2.0e-5), (200, 2.6e-2)])
def test_gauss_hermite_loses_what_these_panels_keep(weight_variance: float, loss: float) -> None:
    """chi of the sigmoid at its fixed point, without biases: 240 Hermite nodes are off by as much."""
    x, w = np.polynomial.hermite_e.hermegauss(240)
    w, q = w / w.sum(), 1.0
    for _ in range(60):
        q = weight_variance * float((w * special.expit(np.sqrt(q) * x) ** 2).sum())
    slope = WRITTEN_AGAIN["sigmoid"][2]
    hermite = weight_variance * float((w * slope(np.sqrt(q) * x) ** 2).sum())
    point = mean_field.fixed_point(Sigmoid(), weight_variance**0.5, 0.0)
    adaptive = oracle.gaussian_mean(lambda u: slope(u) ** 2, point.q, (-20.0, -3.0, 3.0, 20.0))
    assert point.chi == pytest.approx(weight_variance * adaptive, rel=1e-10)
    assert abs(hermite - point.chi) == pytest.approx(loss, rel=0.05)


@pytest.mark.parametrize("activation", [Tanh(), Sigmoid(), ELU(), ReLU(), HardTanh(), Steep()])
def test_pair_averages_do_not_depend_on_the_number_of_nodes(activation) -> None:
    """16 and 26 nodes a panel give the same pair averages to 1e-9, wide or narrow, near c = 1 or not."""
    quadrature = Quadrature(activation)
    for q in (0.5, 50.0):
        for decorrelation in (0.9, 1e-4):
            few = quadrature.pair(one(q), one(decorrelation))
            many = quadrature.pair(one(q), one(decorrelation), nodes=26)
            torch.testing.assert_close(few, many, rtol=1e-9, atol=0)


def test_a_batch_of_points_is_each_point_alone() -> None:
    """Averages of many variances at once are those of every variance alone, to rounding."""
    q, e = torch.tensor([0.1, 3.0, 40.0]).double(), torch.tensor([0.5, 1e-3, 1.0]).double()
    together = Quadrature(ELU()).pair(q, e)
    alone = [Quadrature(ELU()).pair(q[k : k + 1], e[k : k + 1]) for k in range(3)]
    for column, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(column, torch.cat(parts), rtol=1e-12, atol=0)


def test_undeclared_kinks_are_found_where_they_are() -> None:
    """Bisection finds the corners of hard tanh to 1e-9, though they lie at round numbers."""
    u = HardTanh()
    found = mesh(lambda z: torch.stack([u.value(z) ** 2, u.derivative(z) ** 2]), (), 24.0).kinks
    torch.testing.assert_close(
        found.sort().values, torch.tensor([-1.0, 1.0]).double(), atol=1e-9, rtol=0
    )


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        (Logarithm(), ("not finite at z = 0", "choose an activation")),
        (SinglePrecision(), ("not resolved by", "float64")),
    ],
)
def test_unusable_activations_are_refused_with_a_remedy(activation, words) -> None:
    """A hole and lost precision are each named, with what to do."""
    with pytest.raises(ConfigurationError) as refusal:
        Quadrature(activation).single(one(1.0))
    for word in words:
        assert word in str(refusal.value)


def test_a_function_without_a_derivative_is_refused(monkeypatch) -> None:
    """A bare function, handed over where annotations are not checked, gets an error with a remedy."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ConfigurationError, match="implement both methods"):
        Quadrature(torch.tanh)
