r"""Finite width: how far a single random network deviates from the mean field.

The mean field describes the average. At width n and depth L the *logarithm* of a norm also varies between
draws, with a variance that grows like L / n. Everything here is at initialisation.

References:
    Hanin (2018); Hanin & Rolnick (2018); Hanin & Nica (2020); Pennington, Schoenholz & Ganguli (2017);
    Roberts, Yaida & Hanin (2022). Each function names its reference and its validity.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from scipy.special import digamma, polygamma
from scipy.stats import binom

from experiments.core.errors import ConfigurationError, describe
from experiments.core.whole import is_whole
from experiments.theory.fluctuations import (
    fluctuation_rate,
    four_point,
    gradient_scatter,
    optimal_aspect_ratio,
    residual_nu,
)
from experiments.theory.quadrature import Quadrature, Scale, ValueAndDerivative

Ensemble = Literal["gaussian", "orthogonal"]

__all__ = [
    "LogGain",
    "LogNormal",
    "beta",
    "fluctuation_rate",
    "four_point",
    "gradient_scatter",
    "jacobian_entry_moments",
    "largest_squared_singular_value",
    "linear_log_gain",
    "log_gain",
    "log_norm_law",
    "optimal_aspect_ratio",
    "residual_nu",
    "spectrum_spread",
]


@dataclass(frozen=True)
class LogGain:
    """Mean and variance of the logarithm of a gain; ``dead`` is the probability that the gain is 0."""

    mean: float
    variance: float
    dead: float


@dataclass(frozen=True)
class LogNormal:
    """The normal distribution of ln G for a squared norm G."""

    mean: float
    variance: float


def log_gain(width: int) -> LogGain:
    """Log statistics of the squared-norm gain of one ReLU layer, exact at any width.

    Formula (He's normal weights, Var W = 2 / n, no biases; K units active, psi the digamma function)::

        G = ||relu(W x)||^2 / ||x||^2 = (2 / n) chi^2_K,    K ~ Bin(n, 1/2)
        E ln G   = E[psi(K / 2)] + ln(4 / n)                      about -2.5 / n
        Var ln G = E[psi'(K / 2)] + Var[psi(K / 2)]               about  5 / n

    given K > 0. Gains of layers multiply: over L layers of width n, mean and variance are L times these. The
    same distribution holds for the Jacobian applied to a vector, hence for gradients of layers of equal
    width.

    Args:
        width: n, at least 1.

    Raises:
        ConfigurationError: for a width below 1.

    Example:
        >>> gain = log_gain(100)
        >>> round(gain.mean, 8), round(gain.variance, 8)
        (-0.02542089, 0.05193999)

    References:
        Hanin & Nica (2020) for the limit; the exact form follows from the chi-squared law.
    """
    _require_widths((width,))
    active = range(1, width + 1)
    probability = binom.pmf(active, width, 0.5)
    probability = probability / probability.sum()
    psi = digamma([k / 2 for k in active])
    mean = float((probability * psi).sum())
    between = float((probability * (psi - mean) ** 2).sum())
    within = float((probability * polygamma(1, [k / 2 for k in active])).sum())
    return LogGain(mean + math.log(4 / width), within + between, dead=0.5**width)


def linear_log_gain(width: int) -> LogGain:
    """Log statistics of the squared-norm gain of one linear layer, exact at any width.

    Formula (normal weights, Var W = 1 / n, no biases)::

        G = ||W x||^2 / ||x||^2 = chi^2_n / n
        E ln G = psi(n / 2) + ln(2 / n),    Var ln G = psi'(n / 2)        about -1 / n and 2 / n

    Gains of layers multiply, as for ``log_gain``; a gain is never 0.

    Args:
        width: n, at least 1.

    Raises:
        ConfigurationError: for a width below 1.

    Example:
        >>> gain = linear_log_gain(100)
        >>> round(gain.mean, 6), round(gain.variance, 6)
        (-0.010033, 0.020201)
    """
    _require_widths((width,))
    mean = float(digamma(width / 2)) + math.log(2 / width)
    return LogGain(mean, float(polygamma(1, width / 2)), 0.0)


def beta(
    hidden_widths: Sequence[int],
    keep: Scale = 0.5,
    fourth_moment: Scale = 3.0,
    input_concentration: Scale = 0.0,
) -> float:
    """beta, the parameter that controls fluctuations: depth relative to width.

    Formula::

        beta = (3 / p - 1) sum_j 1 / n_j + (mu_4 - 3) ||u||_4^4 / (p n_1)

    so 5 sum 1 / n_j for ReLU (p = 1/2) and 2 sum 1 / n_j for a linear network (p = 1), with Gaussian
    weights. Keep it below 1: a deep network must be wide.

    Args:
        hidden_widths: n_j of the hidden layers.
        keep: p, the probability that a unit passes the signal; 1/2 for ReLU, 1 for the identity.
        fourth_moment: mu_4 of a standardised weight; 3 for normal, 1.8 for uniform weights.
        input_concentration: ||u||_4^4 of the unit input direction u; it matters only if mu_4 is not 3.

    Example:
        >>> round(beta([50] * 10), 12)
        1.0

    References:
        Hanin & Nica (2020), theorem 1.
    """
    _require_widths(hidden_widths)
    if not 0 < keep <= 1:
        raise ConfigurationError(describe(f"keep={keep}", "a share in (0, 1]", "ReLU keeps 0.5"))
    reciprocals = sum(1 / n for n in hidden_widths)
    excess = 0.0
    if hidden_widths:
        excess = (fourth_moment - 3) * input_concentration / (keep * hidden_widths[0])
    return (3 / keep - 1) * reciprocals + excess


def log_norm_law(beta: Scale) -> LogNormal:
    """The log-normal limit of a squared norm of mean 1: ln G ~ N(-beta / 2, beta).

    Valid up to a Kolmogorov distance of order (sum n_j^-2)^(1/5). The variance of the log of the norm itself,
    not its square, is beta / 4; hence the 5 / 4 that is often quoted for ReLU.

    >>> log_norm_law(1.0)
    LogNormal(mean=-0.5, variance=1.0)

    References:
        Hanin & Nica (2020), theorem 1.
    """
    return LogNormal(-beta / 2, float(beta))


def jacobian_entry_moments(
    n_in: int, hidden_widths: Sequence[int], rectified_output: bool = True
) -> tuple[float, float]:
    """E Z^2 and E Z^4 of one entry of the input-output Jacobian of a ReLU network, exact.

    Formula (Var W = 2 / n_{l-1} in every layer, normal weights)::

        E Z^2 = 1 / n_1,    E Z^4 = (6 / n_1^2) prod_j (1 + 5 / n_j)

    with a ReLU on the output, too; a linear output doubles both. Fourth moments are dominated by rare
    draws: at beta >= 2 a sample of a thousand networks underestimates them several times.

    Example:
        >>> second, fourth = jacobian_entry_moments(10, [10])
        >>> round(second, 12), round(fourth, 12)
        (0.1, 0.09)

    References:
        Hanin (2018) bounds the same quantities by exponentials of sum 1 / n_j.
    """
    _require_widths((n_in, *hidden_widths))
    doubled = 1.0 if rectified_output else 2.0
    fourth = 6 / n_in**2 * math.prod(1 + 5 / n for n in hidden_widths)
    return doubled / n_in, doubled * fourth


def spectrum_spread(
    activation: ValueAndDerivative, q: Scale, depth: int, ensemble: Ensemble = "gaussian"
) -> float:
    """Variance over squared mean of the squared singular values of a Jacobian of ``depth`` layers.

    Formula (mu_k = E[phi'(u)^(2k)], u ~ N(0, q); s_1 = -1 for Gaussian, 0 for orthogonal weights)::

        Var / mean^2 = L (mu_2 / mu_1^2 - 1 - s_1)

    This is L for a linear Gaussian network, 2 L for ReLU, and 0 for a linear orthogonal network, whose
    singular values are all equal. Valid for square layers of infinite width at one length q.

    Example:
        >>> from experiments.activations import ReLU
        >>> round(spectrum_spread(ReLU(), 1.0, 8), 10)
        16.0

    References:
        Pennington, Schoenholz & Ganguli (2017), section 2.5.
    """
    require_ensemble(ensemble)
    quadrature, variance = Quadrature(activation), torch.tensor([float(q)], dtype=torch.float64)
    mu_1 = float(quadrature.single(variance).slope)
    mu_2 = float(quadrature.slope_squared(variance))
    return depth * (mu_2 / mu_1**2 - (0.0 if ensemble == "gaussian" else 1.0))


def largest_squared_singular_value(depth: int) -> float:
    """Upper edge of the spectrum of a product of L square Gaussian matrices: (L + 1)^(L + 1) / L^L.

    It holds in the limit of infinite width; finite products exceed it by a few per cent.

    >>> largest_squared_singular_value(2)
    6.75

    References:
        Pennington, Schoenholz & Ganguli (2017), section 2.4.
    """
    return float((depth + 1) ** (depth + 1) / depth**depth)


def require_ensemble(ensemble: str) -> None:
    """Refuse ensembles of weights for which no spectrum is implemented.

    Raises:
        ConfigurationError: for anything but "gaussian" and "orthogonal".
    """
    if ensemble not in ("gaussian", "orthogonal"):
        expected = "'gaussian' or 'orthogonal'"
        raise ConfigurationError(
            describe(f"ensemble={ensemble!r}", expected, "choose one of the two")
        )


def _require_widths(widths: Sequence[int]) -> None:
    if not all(is_whole(n, 1) for n in widths):
        raise ConfigurationError(
            describe(f"widths {list(widths)}", "integers from 1", "every layer needs a neuron")
        )
