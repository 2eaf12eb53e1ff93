r"""Fluctuations between draws, and the depth that balances them.

``gradient_scatter`` gives the variance over draws of ln of the squared gradient, for any activation and
initial scale. The number nu characterises a critical activation: its relative four-point fluctuation,
V / (n K^2), grows like nu l / n. The reference balances this against the benefit of depth.

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
#: A length whose logarithm changes by no more than this has converged.
CONVERGED = 1e-12


def gradient_scatter(
    activation: ValueAndDerivative,
    sigma_w: Scale,
    sigma_b: Scale,
    depth: int,
    inputs: Scale = 1.0,
) -> tuple[float, ...]:
    r"""n times the variance over draws of ln of the squared gradient, through 1, 2, ..., ``depth`` layers.

    The gain of a layer varies for two reasons: its own weights are random, and the length q that it receives
    deviates from its mean. With u ~ N(0, q_j), mu_k = E[phi'(u)^(2k)], and everything relative to q::

        ln gain_j          = eps_j + s_j x_j,       x_{j+1} = chi_j x_j + eta_j,       x = delta q / q
        n Var eps_j        = A_j = 3 mu_2 / mu_1^2 - 1
        n Var eta_j        = V_j = sigma_w^4 Var[phi^2] / q_{j+1}^2
        n Cov(eps_j, eta_j) = C_j = sigma_w^2 Cov(phi^2, phi'^2) / (mu_1 q_{j+1})
        s_j = d ln mu_1 / d ln q = (E[u^2 phi'^2] / (q mu_1) - 1) / 2,       chi_j = d ln q_{j+1} / d ln q_j

    Entry k is n Var(ln gain_1 + ... + ln gain_k), with x_1 = 0 because the first length is fixed by the
    input. Once q has converged to q*, and if chi < 1, successive entries soon differ by::

        A + s^2 V / (1 - chi)^2 + 2 s C / (1 - chi)

    For ReLU and linear networks s = 0, which leaves A, 5 and 2. Lengths are propagated from the input and
    not set to q*, because q* may be 0 or infinite. Tanh at its critical point without biases has
    q_l of about 1 / (2 l) and chi -> 1: the closed form has no limit there, but the sum has.

    Validity: leading order in 1 / n, so ``depth`` must be small compared with n; n neurons in every hidden
    layer; normal weights; one example, the same in all draws; gradient independent of the forward pass.

    Args:
        activation: of every hidden layer.
        sigma_w: sqrt(n_{l-1} Var W).
        sigma_b: standard deviation of a bias.
        depth: number of layers that the gradient passes, >= 0.
        inputs: mean square of the components of the input, above 0.

    Raises:
        ConfigurationError: for a negative depth or sigma_b, inputs or sigma_w that are not above 0, or a
            value that is not finite.

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
                "depth and sigma_b of 0 or more, inputs and sigma_w above 0, all finite",
                "give the number of layers and the scale of a nonzero signal",
            )
        )
    quadrature = Quadrature(activation)
    log_q = math.log(sigma_w**2 * inputs + sigma_b**2)
    # variance of the summed ln gains, their covariance with x, and the variance of x
    variance = covariance = variance_x = 0.0
    scatter, layer = list[float](), _layer(quadrature, log_q, sigma_w, sigma_b)
    for _ in range(depth):
        variance += layer.A + 2 * layer.s * covariance + layer.s**2 * variance_x
        covariance = layer.chi * (covariance + layer.s * variance_x) + layer.C
        variance_x = layer.chi**2 * variance_x + layer.V
        scatter.append(variance)
        if abs(layer.next_log_q - log_q) > CONVERGED:
            log_q = layer.next_log_q
            layer = _layer(quadrature, log_q, sigma_w, sigma_b)
    return tuple(scatter)


class _Layer(NamedTuple):
    """The coefficients of ``gradient_scatter``, and ln q of the next layer; q may be out of float range."""

    A: float
    V: float
    C: float
    s: float
    chi: float
    next_log_q: float


def _layer(quadrature: Quadrature, log_q: float, sigma_w: Scale, sigma_b: Scale) -> _Layer:
    # for very large and very small q the averages are those of a homogeneous function
    q = min(max(math.exp(min(log_q, 500.0)), SMALLEST), LARGEST, quadrature.ceiling)
    u, weight = (x[0] for x in quadrature.nodes(torch.tensor([q], dtype=torch.float64)))
    u = u / math.sqrt(q)
    phi = quadrature.activation.value(u * math.sqrt(q)) / math.sqrt(q)
    slope = quadrature.activation.derivative(u * math.sqrt(q))

    def mean(x: torch.Tensor) -> float:
        return float(weight @ x)

    moment, mu_1 = mean(phi**2), mean(slope**2)
    log_weights = math.log(sigma_w**2 * moment) + log_q
    log_bias = math.log(sigma_b**2) if sigma_b else -math.inf
    next_log_q = max(log_weights, log_bias) + math.log1p(math.exp(-abs(log_weights - log_bias)))
    share = math.exp(log_weights - next_log_q)  # of the next length that is due to the weights
    return _Layer(
        A=3 * mean(slope**4) / mu_1**2 - 1,
        V=share**2 * (mean(phi**4) / moment**2 - 1),
        C=share * (mean(phi**2 * slope**2) / (moment * mu_1) - 1),
        s=(mean(u**2 * slope**2) / mu_1 - 1) / 2,
        chi=share * mean(u * phi * slope) / moment,
        next_log_q=next_log_q,
    )


def fluctuation_rate(activation: ValueAndDerivative) -> float:
    r"""nu, the growth rate of the relative four-point fluctuation nu l / n of a critical network.

    Formula::

        phi(z) = a_+ z for z > 0, a_- z below:   nu = 3 A_4 / A_2^2 - 1,   A_k = (a_+^k + a_-^k) / 2
        odd, critical at q = 0:                  nu = 2 / 3

    5 for ReLU, 2 for a linear network, 2/3 for tanh and sin.

    Raises:
        ConfigurationError: for an activation of neither kind, for which no closed form is implemented.

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
            "an activation that is scale-invariant, or odd and critical at q = 0",
            "use ReLU, LeakyReLU, Identity or Tanh, or measure the spread over seeds instead",
        )
    )


def four_point(width: int, layer: int, nu: Scale) -> float:
    """V / (n K^2), the connected four-point function of layer ``layer`` relative to the length.

    Formula::

        (1 + nu / n)^(l - 1) - 1      exact for scale-invariant activations; for tanh only the leading
                                      term, nu (l - 1) / n, is proved

    Args:
        width: n of every layer.
        layer: number of the layer from 1; the first layer is Gaussian and has no fluctuation.
        nu: from ``fluctuation_rate``.

    Example:
        >>> round(four_point(100, 10, 5), 4)
        0.5513

    References:
        Roberts, Yaida & Hanin (2022).
    """
    return float((1 + nu / width) ** (layer - 1) - 1)


def optimal_aspect_ratio(n_out: int, nu: Scale) -> float:
    """r* = L / n at which the benefit of depth for the representation balances its fluctuations.

    Formula::

        r* = (4 / (20 + 3 n_L)) / nu

    Holds for critical networks, to leading order in 1 / n, as an order of magnitude. The study best_depth
    measures it.

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
        odd:              nu (1 - g^4),  with nu = 2/3

    >>> residual_nu(5.0, 0.0, scale_invariant=True), residual_nu(5.0, 1.0, scale_invariant=True)
    (5.0, 0.0)
    >>> residual_nu(2 / 3, 0.5, scale_invariant=False)
    0.625

    References:
        Roberts, Yaida & Hanin (2022).
    """
    rest = 1 - skip**2
    return float(rest * (rest * nu + 4 * skip**2) if scale_invariant else nu * (1 - skip**4))
