"""Activations from the textbook, in mpmath with 60 digits and in NumPy float64.

Shares nothing with src. Every oracle is a triple of functions of one mpmath number: sigma, sigma' and
sigma''. At a kink all three take the left branch, torch's convention.
"""

from collections.abc import Callable, Sequence

import mpmath
import numpy as np
from scipy import special

Real = mpmath.mpf
Oracle = tuple[Callable[[Real], Real], ...]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _logistic(z: Real) -> Real:
    return 1 / (1 + mpmath.exp(-z))


def _logistic_slope(z: Real) -> Real:
    return mpmath.exp(-z) / (1 + mpmath.exp(-z)) ** 2


def _logistic_bend(z: Real) -> Real:
    e = mpmath.exp(-z)
    return e * (e - 1) / (1 + e) ** 3


def _split(left: Callable[[Real], Real], right: Callable[[Real], Real]) -> Callable[[Real], Real]:
    return lambda z: right(z) if z > 0 else left(z)


def _zero(_: Real) -> Real:
    return mpmath.mpf(0)


def _one(_: Real) -> Real:
    return mpmath.mpf(1)


identity: Oracle = (lambda z: z, _one, _zero)
sigmoid: Oracle = (_logistic, _logistic_slope, _logistic_bend)
tanh: Oracle = (
    mpmath.tanh,
    lambda z: 1 - mpmath.tanh(z) ** 2 if abs(z) < 5 else 1 / mpmath.cosh(z) ** 2,
    lambda z: -2 * mpmath.sinh(z) / mpmath.cosh(z) ** 3,
)
softplus: Oracle = (lambda z: mpmath.log1p(mpmath.exp(z)), _logistic, _logistic_slope)
silu: Oracle = (
    lambda z: z * _logistic(z),
    lambda z: _logistic(z) + z * _logistic_slope(z),
    lambda z: 2 * _logistic_slope(z) + z * _logistic_bend(z),
)
gelu: Oracle = (
    lambda z: z * mpmath.ncdf(z),
    lambda z: mpmath.ncdf(z) + z * mpmath.npdf(z),
    lambda z: (2 - z**2) * mpmath.npdf(z),
)


def leaky_relu(negative_slope: float) -> Oracle:
    """max(z, 0) + s min(z, 0)."""
    s = mpmath.mpf(negative_slope)
    return _split(lambda z: s * z, lambda z: z), _split(lambda _: s, _one), _zero


def elu(alpha: float, scale: float = 1.0) -> Oracle:
    """Scale times (z on the right, alpha (e^z - 1) on the left)."""
    left, right = mpmath.mpf(alpha) * mpmath.mpf(scale), mpmath.mpf(scale)
    return (
        _split(lambda z: left * mpmath.expm1(z), lambda z: right * z),
        _split(lambda z: left * mpmath.exp(z), lambda _: right),
        _split(lambda z: left * mpmath.exp(z), _zero),
    )


relu: Oracle = leaky_relu(0.0)
selu: Oracle = elu(SELU_ALPHA, SELU_SCALE)


def ulps(found: np.ndarray, function: Callable[[Real], Real], z: Sequence[float]) -> np.ndarray:
    """|found - function(z)| in units in the last place of ``found``'s type, at the truth.

    A truth beyond the largest number of the type must be found as infinity; its distance is then 0.
    """
    kind = np.finfo(found.dtype)
    distance = np.empty(len(z))
    with mpmath.workdps(60):
        for i, (number, point) in enumerate(zip(found.tolist(), z, strict=True)):
            truth = function(mpmath.mpf(point))
            if truth == 0:
                unit = mpmath.mpf(float(kind.smallest_subnormal))
            else:
                exponent = max(mpmath.frexp(truth)[1] - 1, kind.minexp)
                unit = mpmath.ldexp(1, exponent - kind.nmant)
            distance[i] = float(abs(mpmath.mpf(number) - truth) / unit)
    return distance


# -- the same in NumPy float64, good to some 1e-13: for every bit pattern of the 16-bit types --------

WideOracle = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]


def _bell(z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)


def _wide_elu(alpha: float, scale: float = 1.0) -> WideOracle:
    return (
        lambda z: np.where(z > 0, scale * z, scale * alpha * np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, scale, scale * alpha * np.exp(np.minimum(z, 0))),
    )


def _wide_leaky(slope: float) -> WideOracle:
    return lambda z: np.where(z > 0, z, slope * z), lambda z: np.where(z > 0, 1.0, slope)


WIDE: dict[str, Callable[..., WideOracle]] = {
    "identity": lambda: (lambda z: z, np.ones_like),
    "sigmoid": lambda: (special.expit, lambda z: special.expit(z) * special.expit(-z)),
    "tanh": lambda: (np.tanh, lambda z: np.cosh(np.clip(z, -400, 400)) ** -2.0),
    "relu": lambda: _wide_leaky(0.0),
    "leaky_relu": _wide_leaky,
    "elu": _wide_elu,
    "selu": lambda: _wide_elu(SELU_ALPHA, SELU_SCALE),
    "softplus": lambda: (lambda z: np.logaddexp(0.0, z), special.expit),
    "silu": lambda: (
        lambda z: z * special.expit(z),
        lambda z: special.expit(z) * (1 + z * special.expit(-z)),
    ),
    "gelu": lambda: (lambda z: z * special.ndtr(z), lambda z: special.ndtr(z) + z * _bell(z)),
}


def half_ulps(found: np.ndarray, truth: np.ndarray, digits: int, lowest: int) -> np.ndarray:
    """|found - truth| in units in the last place of a 16-bit type, both given as float64.

    Args:
        found: results; infinite where the truth is beyond the largest number.
        truth: the exact results.
        digits: stored bits of the mantissa.
        lowest: exponent of the smallest normal number.
    """
    exponent = np.maximum(np.frexp(truth)[1] - 1, lowest)
    distance = np.abs(found - truth) / np.ldexp(1.0, exponent - digits)
    beyond = np.abs(truth) >= np.ldexp(2.0 - 2.0 ** -(digits + 1), 1 - lowest)
    return np.where(beyond, np.where(np.isinf(found), 0.0, np.inf), distance)
