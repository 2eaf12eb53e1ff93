"""Mean-field fixed points: published numbers, closed forms, laws, and what has no answer."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles import theory as oracle
from tests.theory.written import Erf, Exponential, HardShrink, HardTanh, Hole, Sin, Square

from experiments.activations import ELU, GELU, SELU, Identity, ReLU, Sigmoid, Tanh
from experiments.core.activation import Activation
from experiments.core.errors import ConfigurationError
from experiments.theory import mean_field
from experiments.theory.quadrature import Quadrature

# phi, sigma_w^2, sigma_b^2, q*, chi, c*, xi_q, xi_c, xi_gradient. Computed in float64 by a composite
# Gauss-Legendre rule of other code, which agrees with 240-node Gauss-Hermite for tanh and with closed
# forms for ELU and ReLU.
REFERENCE = [
    (Tanh(), 1.3, 0.05, 0.3153164775, 0.8801635099, 1, 1.785236632, 7.834069268, 7.834069268),
    (Tanh(), 1.7, 0.05, 0.5330756279, 0.9867408090, 1, 1.558254014, 74.91827050, 74.91827050),
    (
        Tanh(),
        4.0,
        0.05,
        2.195493928,
        1.342402414,
        0.1650649620,
        0.873293372,
        6.980273533,
        -3.396037137,
    ),
    (Tanh(), 2.5, 0.3, 1.457716014, 0.9989292735, 1, 0.8590713259, 933.4452434, 933.4452434),
    (Sigmoid(), 1.0, 0.0, 0.2646868752, 0.05572070677, 1, 0.3327044847, 0.3463319272, 0.3463319272),
    (Sigmoid(), 1.0, 1.0, 1.302134036, 0.04195973464, 1, 0.2767084400, 0.3153534740, 0.3153534740),
    (ReLU(), 1.5, 0.05, 0.2, 0.75, 1, 3.476059497, 3.476059497, 3.476059497),
    (ELU(), 1.5, 0.05, 1.121835638, 0.9914483805, 1, 6.261858293, 116.4361990, 116.4361990),
    (SELU(), 1.0, 0.0, 1.0, 1.071574992, 0, 4.080427073, 33.60434202, -14.46559985),
]


def at(activation, weight_variance: float, bias_variance: float) -> mean_field.FixedPoint:
    """The fixed point, from variances as the papers give them."""
    return mean_field.fixed_point(activation, math.sqrt(weight_variance), math.sqrt(bias_variance))


@pytest.mark.parametrize(
    "row", REFERENCE, ids=lambda row: f"{type(row[0]).__name__}-{row[1]}-{row[2]}"
)
def test_fixed_points_are_the_reference_values(row) -> None:
    """All six numbers of every reference row agree to the digits it has (ten, or 1e-9 relative)."""
    activation, weight_variance, bias_variance, *expected = row
    point = at(activation, weight_variance, bias_variance)
    found = (point.q, point.chi, point.c, point.xi_q, point.xi_c, point.xi_gradient)
    assert found == pytest.approx(tuple(expected), rel=1e-9, abs=1e-9)
    assert not point.diverges


@pytest.mark.parametrize(
    ("activation", "bias_variance", "expected"),
    [
        (Tanh(), 0.01, 1.424205290),
        (Tanh(), 0.05, 1.760954640),
        (Tanh(), 0.3, 2.505127190),
        (Tanh(), 0.0, 1.0),
        (ELU(), 0.05, 1.533718332),
        (ELU(), 0.2, 1.681835156),
        (Sigmoid(), 0.0, 103.0075539),
        (Sigmoid(), 1.0, 105.37008),
        (ReLU(), 0.0, 2.0),
        (Identity(), 0.0, 1.0),
    ],
)
def test_the_critical_line_passes_through_the_reference_points(
    activation, bias_variance, expected
) -> None:
    """sigma_w^2 at chi = 1 agrees to the digits of the reference, and chi = 1 when solved again there."""
    sigma_w = mean_field.critical_sigma_w(activation, math.sqrt(bias_variance))
    assert sigma_w**2 == pytest.approx(expected, rel=2e-9)
    point = mean_field.fixed_point(activation, sigma_w, math.sqrt(bias_variance))
    assert point.chi == pytest.approx(1, abs=1e-9)
    assert point.phase == "critical"


@pytest.mark.parametrize("sigma_b", [1e-13, 1e-16, 1e-20, 1e-25, 1e-100])
@pytest.mark.parametrize("activation", [Tanh(), ELU(), SELU()], ids=repr)
def test_tiny_biases_hardly_move_the_critical_point(activation, sigma_b) -> None:
    """By sqrt(sigma_b) at most, although chi is 1 to rounding over many decades of q."""
    limit, allowed = mean_field.critical_sigma_w(activation, 0.0), 1e-15 + 2 * math.sqrt(sigma_b)
    assert mean_field.critical_sigma_w(activation, sigma_b) == pytest.approx(limit, rel=allowed)


def test_the_widely_copied_critical_value_of_tanh_is_only_a_grid_value() -> None:
    """At sigma_w^2 = 1.7603 chi is 0.999860 and xi_c 7163; the isometry papers' pair is right to 1.9e-7."""
    assert at(Tanh(), 1.05, 2.01e-5).chi - 1 == pytest.approx(1.9e-7, rel=0.02)
    point = at(Tanh(), 1.7603, 0.05)
    assert point.chi == pytest.approx(0.999860, abs=1e-6)
    assert point.xi_c == pytest.approx(7163, rel=1e-3)


def test_the_half_stable_point_of_gelu_is_the_books() -> None:
    """GELU is critical at C_W = 1.98305826, C_b = 0.17292239, K = (3 + sqrt 17) / 2, where dq'/dq = 1 too."""
    sigma_b = math.sqrt(0.17292239 + 1e-4)  # on the stable side of a double root
    sigma_w = mean_field.critical_sigma_w(GELU(), sigma_b)
    point = mean_field.fixed_point(GELU(), sigma_w, sigma_b)
    assert sigma_w**2 == pytest.approx(1.98305826, rel=1e-4)
    assert point.q == pytest.approx((3 + math.sqrt(17)) / 2, rel=2e-3)
    assert point.xi_q > 1e4


def test_a_fixed_point_takes_a_few_quadratures(monkeypatch) -> None:
    """Forty of them, in both phases, of four activations: at most 50 looks at sigma each."""
    looks, value = [], Activation.value

    def counted(self: Activation, z: torch.Tensor) -> torch.Tensor:
        looks.append(z.numel())
        return value(self, z)

    monkeypatch.setattr(Activation, "value", counted)
    for activation in (Tanh(), Sigmoid(), ReLU(), ELU()):
        for weight_variance in np.linspace(0.5, 1.9, 10):
            looks.clear()
            at(activation, float(weight_variance), 0.05)
            assert 0 < len(looks) <= 50
            assert sum(looks) < 1_000_000


def test_elu_without_biases_is_chaotic_between_one_and_two() -> None:
    """For sigma_b = 0 every sigma_w^2 in (1, 2) has a finite q* and chi > 1."""
    sigma_w = [math.sqrt(v) for v in (1.05, 1.3, 1.6, 1.9, 1.98)]
    diagram = mean_field.phase_diagram(ELU(), sigma_w, [0.0])
    assert bool((diagram.chi > 1).all())
    assert bool(diagram.q.isfinite().all())


@pytest.mark.parametrize("weight_variance", [0.4, 1.0, 1.9, 1.999999])
def test_relu_is_its_closed_form(weight_variance: float) -> None:
    """q = sigma_b^2 / (1 - sigma_w^2 / 2), chi = sigma_w^2 / 2, close to where it diverges too."""
    point = at(ReLU(), weight_variance, 0.3)
    assert point.q == pytest.approx(0.3 / (1 - weight_variance / 2), rel=1e-8)
    assert point.chi == pytest.approx(weight_variance / 2, rel=1e-12)
    assert point.c == 1


def test_selu_is_self_normalising_forwards_and_explodes_backwards() -> None:
    """E phi = 0, E phi^2 = 1 at q = 1; the moments' Jacobian is .0888348, .7826479; chi = 1.0716."""
    one = torch.ones(1, dtype=torch.float64)
    u, weight = Quadrature(SELU()).nodes(one)
    assert float((weight * SELU().value(u)).sum()) == pytest.approx(0, abs=1e-14)
    point = at(SELU(), 1.0, 0.0)
    assert point.q == pytest.approx(1, abs=1e-14)
    mean_by_variance = float((weight * u * SELU().derivative(u)).sum()) / 2
    assert mean_by_variance == pytest.approx(0.0888348, abs=1e-6)
    assert math.exp(-1 / point.xi_q) == pytest.approx(0.7826479, abs=1e-6)
    assert point.chi**100 == pytest.approx(1005.2, rel=1e-4)


def test_wrong_gains_add_up_over_depth() -> None:
    """ReLU with Var = 1/n loses (1/sqrt 2)^30 = 3.05e-5 in thirty layers; He's loses nothing."""
    assert at(ReLU(), 1.0, 0.0).factor ** 30 == pytest.approx(3.0518e-5, rel=1e-4)
    assert at(ReLU(), 2.0, 0.0).factor ** 30 == pytest.approx(1, rel=1e-12)


def test_critical_tanh_lengths_fall_like_one_over_twice_the_depth() -> None:
    """sigma_w = 1, sigma_b = 0: q after layer 20 is near .0261 (drawn at n = 100), 1 / (2 l)."""
    q = [1.0]
    for _ in range(19):
        q = mean_field.length_map(Tanh(), q, 1.0, 0.0).tolist()
    assert q[0] == pytest.approx(0.0261, rel=0.08)


@pytest.mark.parametrize("weight_variance", [1.5, 4.0, 20.0])
def test_erf_fixed_points_solve_the_arcsine_equations(weight_variance: float) -> None:
    """q* and c* of a user-written erf satisfy Williams' closed forms to 1e-10."""
    point = at(Erf(), weight_variance, 0.05)
    q_again = weight_variance * oracle.erf_pair_mean(point.q, 1.0) + 0.05
    c_again = (weight_variance * oracle.erf_pair_mean(point.q, point.c) + 0.05) / point.q
    assert q_again == pytest.approx(point.q, rel=1e-10)
    assert c_again == pytest.approx(point.c, rel=1e-10)
    slope = (
        weight_variance
        * 4
        / math.pi
        / math.sqrt((1 + 2 * point.q) ** 2 - (2 * point.q * point.c) ** 2)
    )
    assert point.xi_c == pytest.approx(-1 / math.log(slope), rel=1e-8)


def test_sin_solves_its_closed_forms() -> None:
    """A user-written sin: V(q) = sigma_w^2 (1 - e^-2q) / 2 + sigma_b^2, V' = sigma_w^2 e^-2q."""
    point = at(Sin(), 9.0, 0.05)
    assert 4.5 * -math.expm1(-2 * point.q) + 0.05 == pytest.approx(point.q, rel=1e-12)
    assert point.xi_q == pytest.approx(-1 / math.log(9 * math.exp(-2 * point.q)), rel=1e-10)
    assert 9 * oracle.sin_pair_mean(point.q, point.c) + 0.05 == pytest.approx(
        point.q * point.c, rel=1e-9
    )


def test_undeclared_corners_cost_no_digits() -> None:
    """Hard tanh without declared kinks: chi is sigma_w^2 erf(1 / sqrt(2 q)) to 1e-10."""
    point = at(HardTanh(), 4.0, 0.05)
    assert point.chi == pytest.approx(4 * math.erf(1 / math.sqrt(2 * point.q)), rel=1e-10)
    assert 0 < point.c < 1


def test_he_correlation_map_is_the_arc_cosine_kernel() -> None:
    """c' = (sqrt(1 - c^2) + c (pi - acos c)) / pi over [-1, 1], and its orbit from 0 is published."""
    grid = np.linspace(-1, 1, 21)
    found = mean_field.correlation_map(ReLU(), grid.tolist(), math.sqrt(2), 0.0)
    expected = [oracle.relu_correlation_map(c) for c in grid]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    c, orbit = 0.0, [0.0]
    for _ in range(10):
        c = mean_field.correlation_map(ReLU(), [c], math.sqrt(2), 0.0).item()
        orbit.append(c)
    assert orbit[1] == pytest.approx(0.3183098862, abs=1e-10)
    assert orbit[10] == pytest.approx(0.8715355160, abs=1e-10)
    for _ in range(90):
        c = oracle.relu_correlation_map(c)
    assert c == pytest.approx(0.9964231467, abs=1e-10)
    assert (1 - c) * 100**2 == pytest.approx(35.77, abs=0.01)  # on its slow way to 9 pi^2 / 2


def test_length_map_of_he_elu_grows_without_bound() -> None:
    """sigma_w^2 = 2 sends ELU's q from 1 to 34.09 in fifty layers; the fixed point says it diverges."""
    q = [1.0]
    for _ in range(50):
        q = mean_field.length_map(ELU(), q, math.sqrt(2), 0.0).tolist()
    assert q[0] == pytest.approx(34.09, abs=0.01)
    assert at(ELU(), 2.0, 0.0).diverges


@pytest.mark.parametrize("activation", [Tanh(), ELU(), Sigmoid()])
def test_iterating_the_maps_approaches_the_fixed_points_at_the_predicted_rates(activation) -> None:
    """Layer by layer the maps close in on q* and c*, a layer multiplying the rest by exp(-1 / xi)."""
    sigma_w, sigma_b = 1.35, 0.3
    point = mean_field.fixed_point(activation, sigma_w, sigma_b)
    q, c = [point.q * 1.001], point.c - 1e-3
    for _ in range(8):
        before = q[0] - point.q
        q = mean_field.length_map(activation, q, sigma_w, sigma_b).tolist()
        if abs(before) > 1e-8:
            assert (q[0] - point.q) / before == pytest.approx(math.exp(-1 / point.xi_q), rel=2e-3)
    for _ in range(8):
        before = c - point.c
        c = mean_field.correlation_map(activation, [c], sigma_w, sigma_b, q=point.q).item()
        if abs(before) > 1e-8:
            assert (c - point.c) / before == pytest.approx(math.exp(-1 / point.xi_c), rel=2e-3)


@settings(max_examples=15, deadline=None)
@given(weight_variance=st.floats(0.2, 6.0), bias_variance=st.floats(0.0, 1.0))
def test_a_fixed_point_is_one(weight_variance: float, bias_variance: float) -> None:
    """For any setting of tanh: V(q*) = q*, c'(c*) = c*, the phase agrees with chi, nothing is NaN."""
    point = at(Tanh(), weight_variance, bias_variance)
    assert not any(math.isnan(x) for x in (point.q, point.chi, point.xi_q, point.c, point.xi_c))
    assert 0 <= point.c <= 1
    assert (point.c < 1 - 1e-9) <= (point.chi > 1)
    if point.q > 1e-12:
        sigma_w, sigma_b = math.sqrt(weight_variance), math.sqrt(bias_variance)
        again = mean_field.length_map(Tanh(), [point.q], sigma_w, sigma_b).item()
        moved = mean_field.correlation_map(Tanh(), [point.c], sigma_w, sigma_b, q=point.q).item()
        assert again == pytest.approx(point.q, rel=1e-10)
        assert moved == pytest.approx(point.c, abs=1e-9)


def test_a_phase_diagram_is_its_points() -> None:
    """Every cell of the grid equals the fixed point computed alone; rows are sigma_b."""
    sigma_w, sigma_b = [0.8, 1.5, 3.0], [0.0, 0.4]
    diagram = mean_field.phase_diagram(Tanh(), sigma_w, sigma_b)
    for row, b in enumerate(sigma_b):
        for column, w in enumerate(sigma_w):
            point = mean_field.fixed_point(Tanh(), w, b)
            for name in ("q", "chi", "xi_q", "c", "xi_c", "xi_gradient"):
                found = getattr(diagram, name)[row, column].item()
                assert found == pytest.approx(getattr(point, name), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("activation", "weight_variance", "bias_variance", "chi", "xi_c"),
    [
        (ReLU(), 2.0, 0.05, 1.0, math.inf),
        (ReLU(), 3.0, 0.0, 1.5, math.inf),
        (Identity(), 1.0, 0.1, 1.0, math.inf),
        (ELU(), 2.0, 0.05, 1.0, math.inf),
        (Square(), 1.0, 0.05, None, 1 / math.log(1.5)),  # its correlation map is (1 + 2 c^2) / 3
        (Exponential(), 1.0, 0.0, None, None),
    ],
)
def test_a_diverging_length_is_an_explicit_result(
    activation, weight_variance, bias_variance, chi, xi_c
) -> None:
    """Where q grows for ever the result says so, with the limits of the other numbers and no NaN."""
    point = at(activation, weight_variance, bias_variance)
    assert point.diverges
    assert point.q == math.inf
    assert not any(math.isnan(x) for x in (point.chi, point.xi_q, point.c, point.xi_c))
    if chi is not None:
        assert point.chi == pytest.approx(chi, rel=1e-9)
    if xi_c is not None:
        assert point.xi_c == pytest.approx(xi_c, rel=1e-9)


@pytest.mark.parametrize("activation", [Tanh(), ReLU(), ELU()])
def test_without_biases_a_small_sigma_w_kills_the_signal(activation) -> None:
    """sigma_w^2 = 0.5, sigma_b = 0: q* is exactly 0 and chi = sigma_w^2 mean(phi'(0-)^2, phi'(0+)^2)."""
    point = at(activation, 0.5, 0.0)
    assert point.q == 0
    assert point.chi == pytest.approx(0.25 if isinstance(activation, ReLU) else 0.5, rel=1e-9)
    assert point.xi_c == pytest.approx(-1 / math.log(point.chi), rel=1e-9)


def test_scale_invariant_nets_keep_every_length() -> None:
    """ReLU at sigma_w^2 = 2 stays where it starts: q = 1, everything else critical."""
    point = at(ReLU(), 2.0, 0.0)
    assert (point.q, point.c, point.xi_q, point.xi_c, point.xi_gradient) == (1, 1, *[math.inf] * 3)


@pytest.mark.parametrize(
    ("activation", "sigma_b", "words"),
    [
        (ReLU(), 0.3, ("sigma_w from", "to 1.41", "chi stays below 1", "sigma_b=0")),
        (SELU(), -1.0, ("sigma_b=-1", "0 or more")),
        (Tanh(), math.nan, ("sigma_b=nan",)),
        (Square(), 0.2, ("does not converge",)),
    ],
)
def test_no_critical_point_is_an_error_that_names_the_range(activation, sigma_b, words) -> None:
    """What was searched, what chi does there, and what to do instead."""
    with pytest.raises(ConfigurationError) as refusal:
        mean_field.critical_sigma_w(activation, sigma_b)
    for word in words:
        assert word in str(refusal.value)


def test_the_critical_line_leaves_out_what_has_no_point() -> None:
    """ReLU's line is one point; tanh's grows with sigma_b."""
    assert mean_field.critical_line(ReLU(), [0.0, 0.1, 0.2]) == [(pytest.approx(math.sqrt(2)), 0.0)]
    tanh = mean_field.critical_line(Tanh(), [0.0, 0.1, 0.5])
    assert [b for _, b in tanh] == [0.0, 0.1, 0.5]
    assert tanh[0][0] < tanh[1][0] < tanh[2][0]


@pytest.mark.parametrize(
    ("sigma_w", "sigma_b", "word"),
    [
        (0.0, 0.1, "sigma_w=0"),
        (-1.0, 0.1, "sigma_w=-1"),
        (math.nan, 0, "nan"),
        (1, -0.1, "sigma_b=-0.1"),
        (1e13, 0.1, "sigma_w=1e\\+13|sigma_w=10000000000000"),
        (1e160, 0.1, "at most 1e\\+12"),
        (1.0, 1e13, "sigma_b=1"),
    ],
)
def test_impossible_scales_are_refused(sigma_w, sigma_b, word) -> None:
    """sigma_w <= 0, a negative sigma_b, NaN, and lengths beyond those looked for are refused by name."""
    with pytest.raises(ConfigurationError, match=word):
        mean_field.fixed_point(Tanh(), sigma_w, sigma_b)


def test_a_hole_in_the_activation_is_an_error_only_when_reached() -> None:
    """A function that is NaN beyond 100 has a fixed point at 0 for small sigma_w, and none for large."""
    assert at(Hole(), 0.2, 0.0).q == 0
    with pytest.raises(ConfigurationError, match="not finite at z"):
        at(Hole(), 1.0, 0.1)


def test_correlations_outside_of_their_range_are_refused() -> None:
    """c = 1.2, and a length that is not there, are errors with a remedy."""
    with pytest.raises(ConfigurationError, match=r"correlations in \[-1, 1\]"):
        mean_field.correlation_map(Tanh(), [1.2], 1.5, 0.1)
    with pytest.raises(ConfigurationError, match="give q"):
        mean_field.correlation_map(ReLU(), [0.2], 2.0, 0.1)


@pytest.mark.parametrize("q", [[], [0.0, 1.0], [-1.0], [math.nan], [math.inf]])
def test_a_length_is_a_finite_number_above_0(q) -> None:
    """What is none is named, and gives no NaN."""
    with pytest.raises(ConfigurationError, match="found q="):
        mean_field.length_map(Sigmoid(), q, 1.0, 0.1)
    with pytest.raises(ConfigurationError, match="found q="):
        mean_field.slope(Sigmoid(), q)


@pytest.mark.parametrize("sigma_b", [0.0, 0.3])
def test_a_function_that_is_flat_at_0_has_no_critical_point_there(sigma_b: float) -> None:
    """Hard shrink, phi(0) = phi'(0) = 0, is z far out: chi = 1 is no division by phi'(0)."""
    with pytest.raises(mean_field.NoCriticalPointError, match="no critical point at sigma_b"):
        mean_field.critical_sigma_w(HardShrink(), sigma_b)


@pytest.mark.parametrize("sigma_b", [30.0, 1e6])
def test_lengths_beyond_the_floats_have_no_critical_point(sigma_b: float) -> None:
    """phi = exp, whose averages are infinite at q = sigma_b^2 already: there is nothing to search."""
    with pytest.raises(mean_field.NoCriticalPointError, match="no finite averages at lengths of"):
        mean_field.critical_sigma_w(Exponential(), sigma_b)


def test_a_bias_whose_variance_is_subnormal_is_none() -> None:
    """sigma_b = 1e-160: the search ends, near tanh's point without biases."""
    assert mean_field.critical_sigma_w(Tanh(), 1e-160) == pytest.approx(1, abs=1e-6)


def test_slope_is_chi_without_the_weights() -> None:
    """sigma_w^2 times slope(q*) is chi."""
    point = at(Tanh(), 1.3, 0.05)
    assert 1.3 * mean_field.slope(Tanh(), [point.q]).item() == pytest.approx(point.chi, rel=1e-12)
    assert torch.equal(
        mean_field.slope(Identity(), [1.0, 2.0]).round(decimals=12), torch.ones(2).double()
    )
