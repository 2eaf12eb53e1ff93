"""The normal density and distribution against 60 digits."""

from decimal import Decimal

import mpmath
import numpy as np
import pytest
import torch
from tests.oracles.activations import ulps

from experiments.core.normal import density_series, distribution, mills_ratio, times_density


def between(low: float, high: float) -> torch.Tensor:
    """Points of an interval, evenly and at random."""
    drawn = np.random.default_rng(0).uniform(low, high, 500)
    return torch.from_numpy(np.concatenate([np.linspace(low, high, 300), drawn]))


def test_the_density_is_right_to_three_ulp_down_to_the_last_subnormal() -> None:
    """phi(z) on the whole line, results below the smallest normal number included."""
    z = between(-39.0, 39.0)
    found = times_density(torch.ones_like(z), z)
    assert ulps(found.numpy(), mpmath.npdf, z.tolist()).max() <= 3.0


def test_a_factor_saves_a_product_from_underflow() -> None:
    """z^9 phi(z) is normal where phi(z) alone is not."""
    z = between(-39.0, -37.5)
    found = times_density(z**9, z)
    truth = [float(mpmath.mpf(x) ** 9 * mpmath.npdf(x)) for x in z.tolist()]
    np.testing.assert_allclose(found.numpy(), truth, rtol=2e-15)


@pytest.mark.parametrize("z", [float("inf"), -float("inf"), 1e300, -1e300, 64.0])
def test_the_density_is_zero_far_out(z) -> None:
    """No overflow on the way."""
    point = torch.tensor([z], dtype=torch.float64)
    assert times_density(torch.ones_like(point), point) == 0


def test_the_distribution_is_right_to_two_ulp() -> None:
    """Phi(z) from -12 to where it is 1."""
    z = between(-12.0, 9.0)
    assert ulps(distribution(z).numpy(), mpmath.ncdf, z.tolist()).max() <= 2.0


def test_mills_ratio_is_right_to_two_ulp() -> None:
    """R(t) from 12 on, against its definition; at infinity it is 0."""

    def ratio(t: mpmath.mpf) -> mpmath.mpf:
        return mpmath.sqrt(mpmath.pi / 2) * mpmath.exp(t * t / 2) * mpmath.erfc(t / mpmath.sqrt(2))

    t = between(12.0, 40.0)[::4]
    assert ulps(mills_ratio(t).numpy(), ratio, t.tolist()).max() <= 2.0
    far = between(200.0, 1e4)
    leading = (1 - far**-2 + 3 * far**-4 - 15 * far**-6) / far
    torch.testing.assert_close(mills_ratio(far), leading, rtol=1e-14, atol=0.0)
    assert mills_ratio(torch.tensor([torch.inf], dtype=torch.float64)) == 0


def test_the_series_is_that_of_the_density() -> None:
    """mpmath's Taylor coefficients of phi about a point, to 30 digits."""
    with mpmath.workdps(50):
        center = mpmath.mpf("-0.75")
        expected = mpmath.taylor(mpmath.npdf, center, 20)
        height = Decimal(mpmath.nstr(expected[0], 45))
        found = density_series(Decimal("-0.75"), height, terms=21)
        for ours, theirs in zip(found, expected, strict=True):
            assert abs(mpmath.mpf(str(ours)) - theirs) <= mpmath.mpf("1e-30") * abs(theirs)
