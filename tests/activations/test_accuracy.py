"""Every room against 60 digits: value, sigma' and sigma'', from the middle to the ends of both tails."""

import numpy as np
import pytest
import torch
from tests.activations.rooms import every_case, oracle_of, wide_oracle_of
from tests.oracles.activations import half_ulps, ulps

from experiments.activations import Identity, LeakyReLU, ReLU, Sigmoid

ENDS = {torch.float32: 108.0, torch.float64: 750.0}
HALVES = {torch.float16: (10, -14), torch.bfloat16: (7, -126)}
FLAT_OR_LINEAR = (Identity, LeakyReLU, ReLU)
# where sigma' of SiLU and of GELU, and sigma'' of SiLU and of GELU are 0
ZEROS = (-1.2784645, -0.7517915, 2.3993573, 1.4142136)


def sample(dtype: torch.dtype, n: int) -> torch.Tensor:
    """Distinct points: evenly to both ends, densely in the middle, and close to 0 and other zeros."""
    rng, end = np.random.default_rng(0), ENDS[dtype]
    close = [
        at + side * 10.0 ** rng.uniform(-13, 0, n // 8) for at in (0.0, *ZEROS) for side in (-1, 1)
    ]
    spread = [np.linspace(-end, end, n), rng.normal(0, 3, n), np.linspace(-40, 10, n), *close]
    return torch.from_numpy(np.concatenate(spread)).to(dtype).unique()


def check(sigma, dtype: torch.dtype, n: int, order: int) -> None:
    """At most 4 units in the last place; counted in subnormal units below the smallest normal."""
    z = sample(dtype, n)
    found = (sigma.value(z), sigma.derivative(z))[order]
    distance = ulps(found.numpy(), oracle_of(sigma)[order], z.tolist())
    worst = int(distance.argmax())
    assert distance[worst] <= 4.0, f"{distance[worst]:.1f} ulp at z = {float(z[worst])!r}"


@every_case
@pytest.mark.parametrize("dtype", ENDS, ids=str)
@pytest.mark.parametrize("order", [0, 1], ids=["value", "derivative"])
def test_value_and_derivative_are_right_to_four_ulp(sigma, dtype, order) -> None:
    """Both are within 4 units in the last place of 60 digits, wherever the result is a number."""
    check(sigma, dtype, 40 if isinstance(sigma, FLAT_OR_LINEAR) else 400, order)


@pytest.mark.slow
@every_case
@pytest.mark.parametrize("dtype", ENDS, ids=str)
@pytest.mark.parametrize("order", [0, 1], ids=["value", "derivative"])
def test_value_and_derivative_are_right_to_four_ulp_densely(sigma, dtype, order) -> None:
    """The same on thousands of points."""
    check(sigma, dtype, 6000, order)


@every_case
@pytest.mark.parametrize("dtype", ENDS, ids=str)
def test_second_derivative_is_right_and_never_lost(sigma, dtype) -> None:
    """sigma'' is within 1e-5 away from its zeros, and 0 only where the truth is below every normal."""
    z = sample(dtype, 100)
    found, bend = sigma.second_derivative(z).tolist(), oracle_of(sigma)[2]
    tiny = torch.finfo(dtype).tiny
    for point, number in zip(z.tolist(), found, strict=True):
        truth = float(bend(point))
        if abs(truth) < tiny:
            assert abs(number - truth) <= tiny
            continue
        assert number != 0.0
        if min(abs(point - zero) for zero in (0.0, *ZEROS, *(-x for x in ZEROS))) > 1e-2:
            assert number == pytest.approx(truth, rel=1e-5)


@every_case
@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("order", [0, 1], ids=["value", "derivative"])
def test_half_types_are_right_on_every_bit_pattern(sigma, dtype, order) -> None:
    """For all finite float16 and bfloat16 numbers the result is within 1 unit in the last place."""
    z = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(dtype)
    z = z[z.isfinite()]
    found = (sigma.value(z), sigma.derivative(z))[order]
    assert found.dtype == dtype
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        truth = wide_oracle_of(sigma)[order](z.double().numpy())
        distance = half_ulps(found.double().numpy(), truth, *HALVES[dtype])
    worst = int(distance.argmax())
    assert distance[worst] <= 1.0, f"{distance[worst]:.2f} ulp at z = {float(z[worst])!r}"


@every_case
@pytest.mark.parametrize("order", [0, 1], ids=["value", "derivative"])
def test_the_wide_oracle_agrees_with_mpmath(sigma, order) -> None:
    """The float64 oracle of the half types is itself within 1e-6 of a bfloat16 ulp of 60 digits."""
    z = np.unique(sample(torch.float32, 60).to(torch.bfloat16).double().numpy())
    with np.errstate(over="ignore", under="ignore"):
        wide = wide_oracle_of(sigma)[order](z)
    exact = np.array([float(oracle_of(sigma)[order](point)) for point in z.tolist()])
    assert half_ulps(wide, exact, *HALVES[torch.bfloat16]).max() <= 1e-6


@every_case
@pytest.mark.parametrize("dtype", [*ENDS, *HALVES], ids=str)
def test_autograd_carries_the_same_numbers(sigma, dtype) -> None:
    """x.grad is sigma'(x) and the double backward sigma''(x), bit for bit, in both tails too."""
    x = torch.linspace(-100, 100, 2001, dtype=torch.float64).to(dtype).requires_grad_()
    (slope,) = torch.autograd.grad(sigma(x).sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), x)
    assert torch.equal(slope, sigma.derivative(x.detach()))
    assert torch.equal(bend, sigma.second_derivative(x.detach()))


def test_a_wrong_tail_would_be_noticed() -> None:
    """torch's own sigmoid' fails the test that the exact one passes: the test can fail."""
    with pytest.raises(AssertionError, match="ulp at"):
        check(Sigmoid(derivative="native"), torch.float32, 100, order=1)
