r"""Fluctuations: how far draws scatter, and the depth that balances it.

``gradient_scatter`` is for any activation and start: the variance over draws of ln of the squared gradient.
nu is the one number of a critical activation: the relative four-point fluctuation, V / (n K^2), grows like
nu l / n. The book that derives it trades this against what depth gains.

References:
    Roberts, Yaida & Hanin (2022), *The Principles of Deep Learning Theory*.
"""

import math
from typing import NamedTuple

import torch

from experiments.core.errors import ConfigurationError, describe
from experiments.theory.length import LARGEST, SMALLEST
from experiments.theory.quadrature import Quadrature, Scale, ValueAndDerivative

#: nu of odd activations that are critical at q = 0 (tanh, sin).
NU_ODD = 2 / 3
#: A length that moves by no more than this share of itself has arrived.
ARRIVED = 1e-12


def gradient_scatter(
    activation: ValueAndDerivative,
    sigma_w: Scale,
    sigma_b: Scale,
    depth: int,
    inputs: Scale = 1.0,
) -> tuple[float, ...]:
    r"""n times the variance over draws of ln of the squared gradient, through 1, 2, ..., ``depth`` layers.

    A layer's gain scatters for two reasons: its own draws, and a length q that earlier layers have left
    above or below its mean. With u ~ N(0, q_j), mu_k = E[phi'(u)^(2k)], and everything relative to q::

        ln gain_j          = eps_j + s_j x_j,       x_{j+1} = chi_j x_j + eta_j,       x = delta q / q
        n Var eps_j        = A_j = 3 mu_2 / mu_1^2 - 1
        n Var eta_j        = V_j = sigma_w^4 Var[phi^2] / q_{j+1}^2
        n Cov(eps_j, eta_j) = C_j = sigma_w^2 Cov(phi^2, phi'^2) / (mu_1 q_{j+1})
        s_j = d ln mu_1 / d ln q = (E[u^2 phi'^2] / (q mu_1) - 1) / 2,       chi_j = d ln q_{j+1} / d ln q_j

    Entry k is n Var(ln gain_1 + ... + ln gain_k), from x_1 = 0: the first layer's length is that of the
    input. Where q has arrived at q* and chi < 1, an entry soon exceeds the one before by::

        A + s^2 V / (1 - chi)^2 + 2 s C / (1 - chi)

    s = 0 for ReLU and linear networks, which leaves A: 5 and 2. Lengths are followed from the input, not
    set to q*, since q* may be 0 or infinite. Tanh at its critical point without biases has q_l of about
    1 / (2 l) and chi -> 1: the closed form has no limit there, the sum has, and its terms count.

    Validity: leading order in 1 / n, so ``depth`` small against n; n neurons in every hidden layer; normal
    weights; one example, the same in all draws; the gradient independent of the forward pass.

    Args:
        activation: of every hidden layer.
        sigma_w: sqrt(n_{l-1} Var W).
        sigma_b: standard deviation of a bias.
        depth: number of layers that the gradient passes, from 0.
        inputs: mean square of the input's components, above 0.

    Raises:
        ConfigurationError: for a negative depth or sigma_b, inputs or a sigma_w that are not above 0, or
            one of them that is not finite.

    Example:
        >>> from experiments.activations import ReLU, Tanh
        >>> [round(v, 9) for v in gradient_scatter(ReLU(), 2**0.5, 0, 3)]
        [5.0, 10.0, 15.0]
        >>> all_layers = gradient_scatter(Tanh(), 1.760954640**0.5, 0.05**0.5, 40)
        >>> round(all_layers[-1] - all_layers[-2], 3)
        3.994

    References:
        Hanin & Nica (2020) for A; the rest is the linear response of the length map.
    """
    above_0 = 0 < inputs < math.inf and 0 < sigma_w < math.inf
    if depth < 0 or not above_0 or not 0 <= sigma_b < math.inf:
        raise ConfigurationError(
            describe(
                f"depth={depth}, inputs={inputs}, sigma_w={sigma_w}, sigma_b={sigma_b}",
                "a depth from 0, inputs and sigma_w above 0, sigma_b from 0, all finite",
                "give the number of layers and a signal to follow",
            )
        )
    quadrature = Quadrature(activation)
    log_q = math.log(sigma_w**2 * inputs + sigma_b**2)
    variance = covariance = length = 0.0  # of the logs so far, of them with x, of x
    found, layer = list[float](), _layer(quadrature, log_q, sigma_w, sigma_b)
    for _ in range(depth):
        variance += layer.own + 2 * layer.slope * covariance + layer.slope**2 * length
        covariance = layer.keeps * (covariance + layer.slope * length) + layer.shared
        length = layer.keeps**2 * length + layer.fresh
        found.append(variance)
        if abs(layer.next_log_q - log_q) > ARRIVED:
            log_q = layer.next_log_q
            layer = _layer(quadrature, log_q, sigma_w, sigma_b)
    return tuple(found)


class _Layer(NamedTuple):
    """A, V, C, s and chi of ``gradient_scatter``, and ln q of the next layer, which may leave the floats."""

    own: float
    fresh: float
    shared: float
    slope: float
    keeps: float
    next_log_q: float


def _layer(quadrature: Quadrature, log_q: float, sigma_w: Scale, sigma_b: Scale) -> _Layer:
    # far out and near 0 the averages are those of a homogeneous function
    q = min(max(math.exp(min(log_q, 500.0)), SMALLEST), LARGEST, quadrature.ceiling)
    u, weight = (x[0] for x in quadrature.nodes(torch.tensor([q], dtype=torch.float64)))
    u = u / math.sqrt(q)
    phi = quadrature.activation.value(u * math.sqrt(q)) / math.sqrt(q)
    slope = quadrature.activation.derivative(u * math.sqrt(q))

    def mean(x: torch.Tensor) -> float:
        return float(weight @ x)

    moment, mu_1 = mean(phi**2), mean(slope**2)
    log_kept = math.log(sigma_w**2 * moment) + log_q
    log_bias = math.log(sigma_b**2) if sigma_b else -math.inf
    next_log_q = max(log_kept, log_bias) + math.log1p(math.exp(-abs(log_kept - log_bias)))
    share = math.exp(log_kept - next_log_q)  # of the next length that comes through the weights
    return _Layer(
        own=3 * mean(slope**4) / mu_1**2 - 1,
        fresh=share**2 * (mean(phi**4) / moment**2 - 1),
        shared=share * (mean(phi**2 * slope**2) / (moment * mu_1) - 1),
        slope=(mean(u**2 * slope**2) / mu_1 - 1) / 2,
        keeps=share * mean(u * phi * slope) / moment,
        next_log_q=next_log_q,
    )


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
