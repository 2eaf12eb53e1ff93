r"""The critical line: the sigma_w at which gradients neither vanish nor explode.

At a fixed length q = sigma_w^2 E[phi(u)^2] + sigma_b^2, so sigma_w can be eliminated::

    chi(q) = (q - sigma_b^2) E[phi'(u)^2] / E[phi(u)^2] = 1,    sigma_w^2 = 1 / E[phi'(u)^2]

one equation for q alone. A root counts if a standardised signal converges to this length (V'(q) <= 1, and
reached from q = 1). With sigma_b = 0 and phi(0) = 0 the limit q -> 0 is a root, too: there
sigma_w^2 = 1 / phi'(0)^2, as for tanh. For a scale-invariant function every q is a root.

References:
    Schoenholz et al. (2017).
"""

import math
from collections.abc import Iterator, Sequence

import torch
from scipy.optimize import brentq
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.theory.length import (
    BLOCK,
    LARGEST,
    LARGEST_SCALE,
    RATIO,
    SMALLEST,
    fixed_lengths,
    length_slope,
)
from experiments.theory.quadrature import ROUNDING, Quadrature, Scale, ValueAndDerivative

#: Largest |chi - 1| accepted when the fixed point is computed again at a root.
CONFIRMED = 1e-6
#: The search starts at this fraction of sigma_b^2 (of 1, if sigma_b = 0).
START = 1e-8


class NoCriticalPointError(ConfigurationError):
    """No sigma_w makes chi = 1 for this activation and sigma_b."""


def critical_sigma_w(activation: ValueAndDerivative, sigma_b: Scale) -> float:
    """The sigma_w at which chi = 1, to 1e-8 relative or better; with several, the one of the smallest q.

    Args:
        activation: ``value`` and ``derivative`` are used.
        sigma_b: standard deviation of a bias, >= 0.

    Raises:
        NoCriticalPointError: if there is none; the message tells what was searched.
        ConfigurationError: for sigma_b outside [0, 1e12].

    Example:
        >>> from experiments.activations import ReLU, Tanh
        >>> round(critical_sigma_w(ReLU(), 0.0) ** 2, 9), round(critical_sigma_w(Tanh(), 0.0), 9)
        (2.0, 1.0)
    """
    if not 0 <= sigma_b <= LARGEST_SCALE:
        expected = f"a number of 0 or more and at most {LARGEST_SCALE:g}"
        raise ConfigurationError(describe(f"sigma_b={sigma_b}", expected, "give sigma_b=0.2, say"))
    quadrature = Quadrature(activation)
    visited = list[tuple[float, float]]()
    # a sigma_b^2 so small that START sigma_b^2 underflows is treated as 0
    bias_variance = sigma_b**2 if START * sigma_b**2 > 0 else 0.0
    for q in _roots(quadrature, bias_variance, visited):
        variance = 1 / quadrature.single(q).slope
        if length_slope(quadrature, q, variance) > 1 + CONFIRMED:
            continue
        settled = fixed_lengths(quadrature, variance, torch.full_like(variance, bias_variance))
        chi = variance * quadrature.single(settled.probe).slope
        if not settled.diverges and abs(float(chi) - 1) < CONFIRMED:
            return math.sqrt(float(variance))
    raise _no_critical_point(sigma_b, visited)


def critical_line(
    activation: ValueAndDerivative, sigma_b: Sequence[Scale]
) -> list[tuple[float, float]]:
    """(sigma_w, sigma_b) along the critical line; a sigma_b without a critical point is omitted.

    Example:
        >>> from experiments.activations import ReLU
        >>> [(round(w, 6), b) for w, b in critical_line(ReLU(), [0.0, 0.1])]
        [(1.414214, 0.0)]
    """
    line = list[tuple[float, float]]()
    for b in sigma_b:
        try:
            line.append((critical_sigma_w(activation, b), b))
        except NoCriticalPointError:
            continue
    return line


def _roots(
    quadrature: Quadrature, bias_variance: float, visited: list[tuple[float, float]]
) -> Iterator[Tensor]:
    """Lengths q with chi(q) = 1 in rising order; ``visited`` collects (sigma_w, chi) on the way."""
    if bias_variance == 0 and quadrature.value_at_zero == 0:
        q = torch.tensor([SMALLEST], dtype=torch.float64)
        slope = float(quadrature.single(q).slope)
        if slope > 0:  # an activation that is flat at 0, such as hard shrink, has no such root
            visited.append((slope**-0.5, 1.0))
            yield q

    def curve(p: Tensor) -> tuple[Tensor, Tensor]:
        """sigma_w and chi - 1 against p = q - sigma_b^2."""
        average = quadrature.single(p + bias_variance)
        weight_variance = p / average.second_moment
        return weight_variance.sqrt(), weight_variance * average.slope - 1

    def excess(p: float) -> float:
        return float(curve(torch.tensor([p], dtype=torch.float64))[1])

    before, sign = 0.0, 0.0
    if bias_variance > quadrature.ceiling:
        return  # q is larger still, and there are no averages there
    reached, stop = START * (bias_variance or 1.0), min(LARGEST, quadrature.ceiling / 2)
    while reached < stop:
        table = (reached * RATIO ** torch.arange(BLOCK + 1, dtype=torch.float64)).clamp(max=stop)
        scales, excesses = curve(table)
        visited += zip(scales.tolist(), (1 + excesses).tolist(), strict=True)
        for p, value in zip(table.tolist(), excesses.tolist(), strict=True):
            if abs(value) > ROUNDING:
                if value * sign < 0:
                    # with tiny biases chi is 1 to rounding over many decades, around the root
                    root = math.sqrt(before * p)
                    if abs(excess(root)) > ROUNDING:
                        root = brentq(excess, before, p, xtol=1e-15 * p, rtol=1e-15)
                    yield torch.tensor([root + bias_variance], dtype=torch.float64)
                before, sign = p, value
        reached = float(table[-1])


def _no_critical_point(sigma_b: float, visited: list[tuple[float, float]]) -> NoCriticalPointError:
    if visited:
        scales, slopes = zip(*visited, strict=True)
        where = f"for sigma_w from {min(scales):.3g} to {max(scales):.3g} chi "
        if max(slopes) <= 1 + ROUNDING:
            where += "stays below 1"
        elif min(slopes) >= 1 - ROUNDING:
            where += "stays above 1"
        else:
            where += "is 1 only at lengths to which the length map does not converge"
    else:
        where = "the activation has no finite averages at lengths of sigma_b^2 and more"
    return NoCriticalPointError(
        describe(
            f"no critical point at sigma_b={sigma_b:.6g}: {where}",
            "an activation and a sigma_b with one",
            "try sigma_b=0 for ReLU and similar functions, a larger sigma_b for GELU and SiLU, or "
            "another activation",
        )
    )
