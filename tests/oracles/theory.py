"""Mean-field averages by other means: closed forms, adaptive quadrature, Gauss-Hermite in NumPy.

Shares nothing with src.
"""

import itertools
from collections.abc import Callable

import numpy as np
from scipy import integrate, special

Function = Callable[[np.ndarray], np.ndarray]


def gaussian_mean(f: Function, q: float, kinks: tuple[float, ...] = ()) -> float:
    """E f(u), u ~ N(0, q), by adaptive quadrature in u, split at the kinks."""
    s = np.sqrt(q)
    ends = sorted({-40.0 * s, -6 * s, -s, 0.0, s, 6 * s, 40.0 * s, *kinks})
    ends = [e for e in ends if abs(e) <= 40 * s]

    def density(u: float) -> float:
        return float(f(np.float64(u))) * np.exp(-(u**2) / (2 * q)) / (s * np.sqrt(2 * np.pi))

    return sum(
        integrate.quad(density, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
        for a, b in itertools.pairwise(ends)
    )


def pair_mean(f: Function, q: float, c: float, nodes: int = 160) -> float:
    """E f(u) f(v) by a Gauss-Hermite product rule: for smooth f and moderate q only."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / np.sqrt(2 * np.pi)
    u = np.sqrt(q) * x[:, None]
    v = np.sqrt(q) * (c * x[:, None] + np.sqrt(1 - c**2) * x[None, :])
    return float((w[:, None] * w[None, :] * f(u) * f(v)).sum())


def relu_correlation_map(c: float) -> float:
    """He's ReLU: the arc-cosine kernel of degree one."""
    return float((np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c))) / np.pi)


def sin_pair_mean(q: float, c: float) -> float:
    """E sin(u) sin(v) = e^-q sinh(q c)."""
    return float(np.exp(-q) * np.sinh(q * c))


def erf_pair_mean(q: float, c: float) -> float:
    """E erf(u) erf(v) = (2 / pi) arcsin(2 q c / (1 + 2 q)): Williams' arcsine kernel."""
    return float(2 / np.pi * np.arcsin(2 * q * c / (1 + 2 * q)))


def elu_second_moment(q: float) -> float:
    """E elu(u)^2 = q/2 + e^{2q} Phi(-2s) - 2 e^{q/2} Phi(-s) + 1/2, s = sqrt q."""
    s = np.sqrt(q)
    # e^{a^2/2} Phi(-a) = erfcx(a / sqrt 2) / 2, which cannot overflow
    scaled = [special.erfcx(a * s / np.sqrt(2)) / 2 for a in (1.0, 2.0)]
    return float(q / 2 + scaled[1] - 2 * scaled[0] + 0.5)


def elu_slope(q: float) -> float:
    """E elu'(u)^2 = 1/2 + e^{2q} Phi(-2s)."""
    return float(0.5 + special.erfcx(2 * np.sqrt(q) / np.sqrt(2)) / 2)


def relu_log_gain(width: int, draws: int, seed: int = 0) -> np.ndarray:
    """ln of ||relu(W x)||^2 / ||x||^2 under He's normal weights; one entry per draw that is not dead."""
    z = np.random.default_rng(seed).standard_normal((draws, width))
    gain = 2 / width * np.square(np.maximum(z, 0)).sum(1)
    return np.log(gain[gain > 0])
