r"""The normal density and distribution, accurate to the last digits of float64.

::

    phi(z) = e^(-z^2/2) / sqrt(2 pi)
    Phi(z) = erfc(-z/sqrt 2) / 2
    R(t)   = Phi(-t) / phi(t) = 1/(t + 1/(t + 2/(t + 3/(t + ...))))        (Mills' ratio)

In the tail a relative rounding error of z^2 or of z/sqrt 2 is amplified by z^2, so both are represented by
two floats.

References:
    Laplace's continued fraction: Abramowitz & Stegun (1964), 26.2.14.
"""

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.branching import where_rare

Vector = Float64[Tensor, "*n"]

# ln(2^304 / sqrt(2 pi)) in two parts, the first short enough that its sum with z^2 is exact; the factor
# 2^304 keeps e^(-z^2/2) a normal number until the last product, which is exact
SHIFT, SHIFT_REST, UNSHIFT = 209.79780435562134, 1.3973634304332352e-09, 2.0**-304
# 1/sqrt 2 = HEAD + REST, with HEAD short enough that its product with z is exact
HEAD, REST = 0.7071067811921239, -5.576365522251341e-12
PEAK = 1 / math.sqrt(2 * math.pi)
# left of it erfc is given up for R, whose continued fraction converges fast enough from 12 on
TAIL = -12.0


def _two_parts(z: Tensor) -> tuple[Tensor, Tensor]:
    """z = coarse + fine; coarse on a grid of 1/4096, so its square is exact. phi(64) is 0."""
    z = z.clamp(-64.0, 64.0)
    coarse = torch.round(z * 4096.0) / 4096.0
    return coarse, z - coarse


def plain_density(z: Vector) -> Vector:
    """phi(z) to the precision of float32.

    Example:
        >>> plain_density(torch.tensor([1.0], dtype=torch.float64))
        tensor([0.2420], dtype=torch.float64)
    """
    return torch.exp(-0.5 * z * z) * PEAK


def plain_distribution(z: Vector) -> Vector:
    """Phi(z) to the precision of float32.

    Example:
        >>> plain_distribution(torch.tensor([1.0], dtype=torch.float64))
        tensor([0.8413], dtype=torch.float64)
    """
    return 0.5 * torch.erfc(z * -(HEAD + REST))


def times_density(factor: Vector, z: Vector) -> Vector:
    """factor phi(z), accurate even where phi(z) itself would be subnormal.

    Example:
        >>> z = torch.tensor([0.0, -38.0], dtype=torch.float64)
        >>> times_density(torch.ones_like(z), z)
        tensor([ 3.9894e-01, 1.0972e-314], dtype=torch.float64)
    """
    coarse, fine = _two_parts(z)
    large = torch.exp(SHIFT - 0.5 * coarse * coarse)
    small = SHIFT_REST - fine * (coarse + 0.5 * fine)
    return factor * (large + large * torch.expm1(small)) * UNSHIFT


def distribution(z: Vector, factor: Vector | None = None) -> Vector:
    """Phi(z) + factor phi(z), without a factor Phi(z); in the tail (R + factor) phi.

    Example:
        >>> distribution(torch.tensor([0.0, -10.0], dtype=torch.float64))
        tensor([5.0000e-01, 7.6199e-24], dtype=torch.float64)
    """
    return where_rare(
        z < TAIL,
        lambda: times_density(_plus(mills_ratio(z.abs()), factor), z),
        _by_erfc(z, factor),
    )


def times_distribution(z: Vector) -> Vector:
    """z Phi(z), accurate even where Phi(z) itself would be subnormal.

    Example:
        >>> times_distribution(torch.tensor([1.0, -38.0], dtype=torch.float64))
        tensor([ 8.4134e-01, -1.0965e-314], dtype=torch.float64)
    """
    return where_rare(z < TAIL, lambda: times_density(z * mills_ratio(z.abs()), z), z * _by_erfc(z))


def _by_erfc(z: Vector, factor: Vector | None = None) -> Vector:
    """Phi(z) + factor phi(z), for z >= -12."""
    coarse, fine = _two_parts(z)
    head, rest = coarse * HEAD, coarse * REST + fine * (HEAD + REST)
    x = head + rest
    lost = (head - x) + rest
    return 0.5 * torch.erfc(-x) + times_density(_plus(2.0**0.5 * lost, factor), z)


def _plus(part: Vector, factor: Vector | None) -> Vector:
    # adding 0.0 instead would make torch.jit.trace give 0
    return part if factor is None else part + factor


def mills_ratio(t: Vector) -> Vector:
    """R(t), for t >= 12; every term is positive, so nothing cancels.

    Example:
        >>> mills_ratio(torch.tensor([12.0], dtype=torch.float64))
        tensor([0.0828], dtype=torch.float64)
    """
    below = t
    for k in range(12, 0, -1):
        below = t + k / below
    return 1.0 / below


def polynomial(coefficients: Sequence[float], z: Vector) -> Vector:
    """c_0 + c_1 z + c_2 z^2 + ..., by Horner's rule in one new tensor.

    Example:
        >>> polynomial([1.0, 0.0, 2.0], torch.tensor([3.0], dtype=torch.float64))
        tensor([19.], dtype=torch.float64)
    """
    total = torch.zeros_like(z)
    for coefficient in reversed(coefficients):
        total.mul_(z).add_(coefficient)
    return total


def density_series(center: Decimal, height: Decimal, terms: int) -> list[Decimal]:
    """Taylor coefficients of phi about ``center``, to 40 digits: phi' = -z phi, term by term.

    Args:
        center: the point of expansion.
        height: phi(center).
        terms: number of coefficients.

    Example:
        >>> [float(c) for c in density_series(Decimal(0), Decimal(1), terms=5)]
        [1.0, 0.0, -0.5, 0.0, 0.125]
    """
    with localcontext(prec=40):
        series = [Decimal(0), height]
        for n in range(terms - 1):
            series.append(-(center * series[-1] + series[-2]) / (n + 1))
        return series[1:]
