r"""The scalar chain of note 003: one neuron per layer, so the gradient is a product of numbers.

    z_1 = w_1 x + b_1,   z_l = w_l a_{l-1} + b_l,   a_l = sigma_l(z_l),   f = a_L

    df/dw_l = a_{l-1} sigma_l'(z_l) * prod_{k>l} w_k sigma_k'(z_k),        a_0 = x
    df/dw_1 = x sigma_1'(z_1) * w_2 sigma_2'(z_2) * ... * w_L sigma_L'(z_L)

Layers are counted as in this part of note 003: l = 1 is the first layer with a weight. In the note's
f = w_L sigma(... sigma(w_1 x + b_1) ...), sigma_L is the identity.

For the sigmoid, a factor w sigma'(w a + b) reaches 1 only if |w| >= 4, because sigma' <= 1/4, and then
only for inputs a in a window of limited width::

    sigma'(z) >= 1/|w|  <=>  |z| <= 2 artanh(r),    r = sqrt(1 - 4/|w|)
    width in a = (4/|w|) artanh(r)

The widest window solves r artanh(r) = 1/2: |w| = 6.89415, width 0.447743205. With w = 100 and z = 0 in
every layer the factor is 25. So gradients vanish or explode, and stay balanced only by accident.

References:
    Note 003, "Back propagation: problems with vanishing gradient"; Nielsen, Neural Networks and Deep
    Learning, chapter 5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from experiments.backprop.checks import require_activation, require_numbers
from experiments.core.activation import Activation
from experiments.core.errors import describe


@dataclass(frozen=True)
class ChainTerm:
    """One layer of the chain: its values, and its factor in the product.

    Attributes:
        layer: l, from 1.
        w: weight.
        b: bias.
        z: w a_{l-1} + b.
        a: sigma(z).
        derivative: sigma'(z).
        factor: the factor of this layer in df/dw_1: x sigma'(z) for l = 1, else w sigma'(z).
        log10_product: log10 of |product of the factors 1 .. l|, which is df/dw_1 of the chain up to here.
        gradient_w: df/dw_l; 0 or infinite where it is outside the range of floats.
        log10_gradient_w: log10 |df/dw_l|, finite even there; -inf where a factor is exactly 0 or a
            sigma' underflows in float64.
    """

    layer: int
    w: float
    b: float
    z: float
    a: float
    derivative: float
    factor: float
    log10_product: float
    gradient_w: float
    log10_gradient_w: float


def scalar_chain(
    x: float,
    weights: Sequence[float] | Tensor,
    biases: Sequence[float] | Tensor,
    activation: Activation,
    output_activation: Activation | None = None,
) -> tuple[ChainTerm, ...]:
    """The product formula term by term, in float64.

    Args:
        x: the input.
        weights: w_1, ..., w_L, a sequence or a vector.
        biases: b_1, ..., b_L, likewise.
        activation: sigma of every layer but the last.
        output_activation: sigma_L; None is ``activation``. The note's f uses Identity().

    Returns:
        One term per layer; ``terms[-1].a`` is f and ``terms[0].gradient_w`` is df/dw_1.

    Raises:
        ValueError: for no layers, unequal numbers of weights and biases, a number that is not finite, or
            an activation without a derivative.

    Example:
        The exploding chain of Nielsen, with w = 100 and z = 0 everywhere:

        >>> from experiments.activations import Sigmoid
        >>> terms = scalar_chain(0.5, [100.0] * 4, [-50.0] * 4, Sigmoid())
        >>> [term.factor for term in terms]
        [0.125, 25.0, 25.0, 25.0]
    """
    (x,) = require_numbers("x", [x])
    weights, biases = require_numbers("weights", weights), require_numbers("biases", biases)
    if not weights or len(weights) != len(biases):
        found = f"{len(weights)} weights and {len(biases)} biases"
        remedy = "give two lists of the same length, at least 1"
        raise ValueError(describe(found, "one of each for every layer", remedy))
    output_activation = activation if output_activation is None else output_activation
    require_activation(activation)
    require_activation(output_activation)
    sigmas = [activation] * (len(weights) - 1) + [output_activation]
    z, a, derivatives = [], [x], []
    for w, b, sigma in zip(weights, biases, sigmas, strict=True):
        z.append(w * a[-1] + b)
        at_z = torch.tensor(z[-1], dtype=torch.float64)
        a.append(float(sigma.value(at_z)))
        derivatives.append(float(sigma.derivative(at_z)))
    multipliers = [x, *weights[1:]]
    factors = [m * derivative for m, derivative in zip(multipliers, derivatives, strict=True)]
    # products of the pairs and not of ``factors``, which may underflow: w = 1e-200, sigma' = 1e-200
    pairs = list(zip(multipliers, derivatives, strict=True))
    products_from_input = list(accumulate(pairs, _Product.times, initial=_Product()))
    products_from_output = list(accumulate(pairs[:0:-1], _Product.times, initial=_Product()))[::-1]
    gradients = [products_from_output[k].times((a[k], derivatives[k])) for k in range(len(weights))]
    return tuple(
        ChainTerm(
            layer=k + 1,
            w=weights[k],
            b=biases[k],
            z=z[k],
            a=a[k + 1],
            derivative=derivatives[k],
            factor=factors[k],
            log10_product=products_from_input[k + 1].log10,
            gradient_w=gradients[k].rounded,
            log10_gradient_w=gradients[k].log10,
        )
        for k in range(len(weights))
    )


def active_window(w: float) -> float:
    """Width of the inputs a for which a sigmoid neuron has |w sigma'(w a + b)| >= 1; 0 if |w| < 4.

    It does not depend on b, which only shifts the window.

    Raises:
        ValueError: if w is not finite.

    Example:
        >>> active_window(3.9), round(active_window(6.89415), 9)
        (0.0, 0.447743205)
    """
    (w,) = require_numbers("w", [w])
    if abs(w) <= 4:
        return 0.0
    # artanh(r) with r = sqrt(1 - 4/|w|), written so that it stays finite where r rounds to 1
    return 4 / abs(w) * math.asinh(math.sqrt(abs(w) / 4 - 1))


def widest_window() -> tuple[float, float]:
    """(|w|, width) at which ``active_window`` is widest, from r artanh(r) = 1/2 by bisection.

    Example:
        >>> w, width = widest_window()
        >>> round(w, 5), round(width, 9)
        (6.89415, 0.447743205)
    """
    low, high = 0.0, 0.99
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if middle * math.atanh(middle) < 0.5 else (low, middle)
    w = 4 / (1 - low * low)
    return w, active_window(w)


class _Product(NamedTuple):
    """mantissa * 2^exponent: a product that may be outside the range of floats."""

    mantissa: float = 1.0
    exponent: int = 0

    def times(self, factors: tuple[float, float]) -> "_Product":
        mantissa, exponent = self
        for factor in factors:
            factor_mantissa, factor_exponent = math.frexp(factor)
            mantissa, carry = math.frexp(mantissa * factor_mantissa)
            exponent += factor_exponent + carry
        return _Product(mantissa, exponent)

    @property
    def log10(self) -> float:
        if self.mantissa == 0:
            return -math.inf
        return math.log10(abs(self.mantissa)) + self.exponent * math.log10(2)

    @property
    def rounded(self) -> float:
        try:
            return math.ldexp(self.mantissa, self.exponent)
        except OverflowError:
            return math.copysign(math.inf, self.mantissa)
