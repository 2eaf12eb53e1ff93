r"""Fluctuations of a critical network, and the depth that balances them.

nu is the one number of an activation that matters: the relative four-point fluctuation, V / (n K^2),
grows like nu l / n. The book that derives it trades this against what depth gains.

References:
    Roberts, Yaida & Hanin (2022), *The Principles of Deep Learning Theory*.
"""

import torch

from experiments.core.errors import ConfigurationError, describe
from experiments.theory.quadrature import Quadrature, Scale, ValueAndDerivative

#: nu of odd activations that are critical at q = 0 (tanh, sin).
NU_ODD = 2 / 3


def fluctuation_rate(activation: ValueAndDerivative) -> float:
    r"""nu: how fast the relative four-point fluctuation nu l / n of a critical network grows.

    Formula::

        phi(z) = a_+ z for z > 0, a_- z below:   nu = 3 A_4 / A_2^2 - 1,   A_k = (a_+^k + a_-^k) / 2
        odd, critical at q = 0:                  nu = 2 / 3

    5 for ReLU, 2 for a linear network, 2/3 for tanh and sin.

    Raises:
        ConfigurationError: for an activation of neither kind; no closed form is known to us.

    Example:
        >>> from experiments.activations import ReLU, Tanh
        >>> fluctuation_rate(ReLU()), round(fluctuation_rate(Tanh()), 6)
        (5.0, 0.666667)

    References:
        Roberts, Yaida & Hanin (2022).
    """
    z = torch.tensor([0.25, 1.0, 4.0], dtype=torch.float64)
    right, left = activation.value(z), activation.value(-z)
    if torch.allclose(right, right[1] * z) and torch.allclose(left, left[1] * z):
        a_2, a_4 = (float(right[1].abs() ** k + left[1].abs() ** k) / 2 for k in (2, 4))
        return 3 * a_4 / a_2**2 - 1
    variances = torch.tensor([0.01, 1.0], dtype=torch.float64)
    quadrature = Quadrature(activation)
    start = float(activation.derivative(torch.zeros(1, dtype=torch.float64)))
    shrinks = quadrature.single(variances).second_moment < start**2 * variances
    if torch.allclose(right, -left) and bool(shrinks.all()):
        return NU_ODD
    raise ConfigurationError(
        describe(
            f"activation={activation!r}",
            "one that is scale-invariant, or odd and critical at q = 0",
            "use ReLU, LeakyReLU, Identity, Tanh, or measure the spread over seeds instead",
        )
    )


def four_point(width: int, layer: int, nu: Scale) -> float:
    """V / (n K^2), the connected four-point function of layer ``layer`` relative to the length.

    Formula::

        (1 + nu / n)^(l - 1) - 1      exact for scale-invariant activations
                                      for tanh its leading term, nu (l - 1) / n, is what is proved

    Args:
        width: n of every layer.
        layer: layers counted from 1, which is Gaussian and has none.
        nu: from ``fluctuation_rate``.

    Example:
        >>> round(four_point(100, 10, 5), 4)
        0.5513

    References:
        Roberts, Yaida & Hanin (2022).
    """
    return float((1 + nu / width) ** (layer - 1) - 1)


def optimal_aspect_ratio(n_out: int, nu: Scale) -> float:
    """r* = L / n that balances what depth gains in representation against its fluctuations.

    Formula::

        r* = (4 / (20 + 3 n_L)) / nu

    Holds for critical networks, to leading order in 1 / n: an order of magnitude, not a verdict. The
    study best_depth measures it.

    Example:
        Ten outputs, width 100: twelve layers for tanh.

        >>> round(100 * optimal_aspect_ratio(10, 2 / 3), 9)
        12.0

    References:
        Roberts, Yaida & Hanin (2022).
    """
    return 4 / (20 + 3 * n_out) / nu


def residual_nu(nu: Scale, skip: Scale, scale_invariant: bool) -> float:
    """nu of a network with identity skips of weight ``skip`` = gamma.

    Formula::

        scale-invariant:  (1 - g^2) [(1 - g^2) nu + 4 g^2]
        odd:              (2/3) (1 - g^4)

    >>> residual_nu(5.0, 0.0, scale_invariant=True), residual_nu(5.0, 1.0, scale_invariant=True)
    (5.0, 0.0)

    References:
        Roberts, Yaida & Hanin (2022).
    """
    kept = 1 - skip**2
    return float(kept * (kept * nu + 4 * skip**2) if scale_invariant else nu * (1 - skip**4))
