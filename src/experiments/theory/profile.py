r"""The predicted gradient profile of a network: log10 norms layer by layer, to compare with measurements.

q is propagated from layer to layer with the actual widths and input, and not set to q*::

    q^[l]  = n_{l-1} Var W^[l] m^[l-1] + Var b^[l],   m^[l] = E[phi(u)^2],  u ~ N(0, q^[l])
    d^[l]  = n_{l+1} Var W^[l+1] E[phi'(u)^2] d^[l+1]           mean square of one example's dC_d/dz
    ||delta^[l]||^2  = n_l d^[l] / B                            Frobenius, of the mean over B examples
    ||dC/dW^[l]||^2  = n_l n_{l-1} d^[l] m^[l-1] (1 + (B - 1) <r_delta r_a>) / B

<r_delta r_a> is the mean, over pairs of examples, of the correlation of their deltas times that of their
activations; both follow the pair recursions of the mean field. Norms are root mean squares over draws of
the weights. The logarithm of a single draw is smaller by ``log10_shortfall`` = V / (4 ln 10) on average, with
the standard deviation ``log10_spread`` = sqrt(V) / (2 ln 10). V is the variance of ln ||delta^[l]||^2, a sum
over the hidden layers j >= l::

    V = sum_j (1 / n_j) mean over d, d' of (E[phi'(u_d)^2 phi'(u_d')^2] (1 + 2 r_delta^2) / E[phi'^2]^2 - 1)

which is (3 mu_2 / mu_1^2 - 1) / n_j per layer for a single example: 5 / n for ReLU, 2 / n for a linear layer.

Validity: independent centred normal weights (uniform weights vary slightly less); depth small compared with
width; examples of about equal length; weights of the backward pass treated as independent of those of the
forward pass, as everywhere in mean field. V includes only the variation due to the weights of each layer. The
variation of q, which changes the gains of the layers above, is neglected. It is zero for ReLU and linear
networks. For one example at the critical start it would increase V in deep networks
(``finite_width.gradient_scatter``) by 32 % for tanh, 27 % for ELU and 5 % for a sigmoid, and ``log10_spread``
by about half of that; for GELU, whose length returns very slowly to q*, V would be 12 times as large. A batch
would need the covariances of its lengths.

References:
    Schoenholz et al. (2017); Hanin & Nica (2020) for the scatter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.core.initializer import Initializer
from experiments.theory.batch import BatchMoments
from experiments.theory.mean_field import fixed_point
from experiments.theory.propagation import (
    LayerAverages,
    follow,
    from_the_top,
    log,
    pairs_downwards,
    per_hidden_layer,
)
from experiments.theory.quadrature import ValueAndDerivative

LN10 = math.log(10)


@dataclass(frozen=True)
class Profile:
    """One entry per layer with weights, in the order of ``net.weights``; the last is the output.

    Attributes:
        log10_q: of the variance of the pre-activations.
        correlation: of the pre-activations of two examples, mean over pairs; 1 for a single example.
        chi: factor on the mean square of delta in the backward pass, n_{l+1} Var W E[phi'^2]; 1 for the
            output layer.
        log10_delta_norm: log10 of the root mean square of ||delta^[l]|| over draws.
        log10_weight_gradient_norm: the same for ||dC/dW^[l]||.
        log10_shortfall: ``log10_delta_norm`` minus the mean of log10 ||delta^[l]|| over draws.
        log10_spread: standard deviation of log10 ||delta^[l]|| over draws.
        asymptote: ``log10_delta_norm`` extrapolated from the last hidden layer with the factor sqrt(chi) of
            the fixed point per layer; None if hidden layers differ in width or activation.
    """

    log10_q: tuple[float, ...]
    correlation: tuple[float, ...]
    chi: tuple[float, ...]
    log10_delta_norm: tuple[float, ...]
    log10_weight_gradient_norm: tuple[float, ...]
    log10_shortfall: tuple[float, ...]
    log10_spread: tuple[float, ...]
    asymptote: tuple[float, ...] | None


def predicted_profile(
    widths: Sequence[int],
    activation: ValueAndDerivative | Sequence[ValueAndDerivative],
    initializer: Initializer,
    batch: BatchMoments,
) -> Profile:
    """Predict the gradient norms of randomly initialised networks.

    Args:
        widths: (n_1, ..., n_L).
        activation: of every hidden layer, or one per hidden layer.
        initializer: only its variances are used; nothing is drawn.
        batch: second moments and correlations of the inputs and of delta^[L].

    Raises:
        ConfigurationError: for a wrong number of activations, or inputs that are all 0 without biases.

    Example:
        With 100 linear units per layer and Var W = 1 / n, the norm stays the same:

        >>> from experiments.activations import Identity
        >>> from experiments.initializers import LeCun
        >>> one = BatchMoments(inputs=1.0, deltas=1.0)
        >>> predicted_profile((100, 100, 100, 100), Identity(), LeCun(), one).log10_delta_norm
        (1.0, 1.0, 1.0)
    """
    hidden = per_hidden_layer(activation, len(widths) - 2)
    fans = list(zip(widths[1:], widths[:-1], strict=True))
    layers = follow(hidden, fans, initializer, batch)
    gains = [n * initializer.weight_variance(n, n_prev) for n, n_prev in fans]
    chi = [gain * layer.slope for gain, layer in zip(gains[1:], layers, strict=False)] + [1.0]
    log_d = [x + log(batch.deltas) for x in from_the_top(map(log, chi))]
    variance = _variances(layers, batch, widths)
    coherence = [
        1 + (batch.size - 1) * float((r * layer.before) @ batch.shares)
        for r, layer in zip(pairs_downwards(layers, batch.delta_correlation), layers, strict=True)
    ]
    log_delta = [x + log(n / batch.size) for x, n in zip(log_d, widths[1:], strict=True)]
    log_weight = [
        x + log(n_prev * coherent) + layer.log_moment_before
        for x, n_prev, layer, coherent in zip(log_delta, widths, layers, coherence, strict=False)
    ]
    norms = tuple(x / (2 * LN10) for x in log_delta)
    return Profile(
        log10_q=tuple(layer.log_q / LN10 for layer in layers),
        correlation=tuple(float(layer.correlation @ batch.shares) for layer in layers),
        chi=tuple(chi),
        log10_delta_norm=norms,
        log10_weight_gradient_norm=tuple(x / (2 * LN10) for x in log_weight),
        log10_shortfall=tuple(v / (4 * LN10) for v in variance),
        log10_spread=tuple(math.sqrt(v) / (2 * LN10) for v in variance),
        asymptote=_asymptote(widths, hidden, initializer, norms),
    )


def _variances(
    layers: list[LayerAverages], batch: BatchMoments, widths: Sequence[int]
) -> list[float]:
    """Variance over draws of ln ||delta^[l]||^2."""
    per_layer, squared = [0.0], batch.delta_correlation_squared
    for layer, n in zip(reversed(layers[:-1]), reversed(widths[1:-1]), strict=True):
        same = 3 * layer.slope_squared / layer.slope**2 - 1
        different = layer.pair_slope_squared * (1 + 2 * squared) / layer.slope**2 - 1
        mean = (same + (batch.size - 1) * float(different @ batch.shares)) / batch.size
        per_layer.append(mean / n)
        squared = squared * (layer.pair_slope / layer.slope) ** 2
    return from_the_top(reversed(per_layer))


def _asymptote(
    widths: Sequence[int],
    hidden: list[ValueAndDerivative],
    initializer: Initializer,
    norms: tuple[float, ...],
) -> tuple[float, ...] | None:
    if not hidden or len(set(widths[1:-1])) > 1 or any(phi is not hidden[0] for phi in hidden):
        return None
    n = widths[1]
    sigma_w = math.sqrt(n * initializer.weight_variance(n, n))
    point = fixed_point(hidden[0], sigma_w, math.sqrt(initializer.bias_variance(n, n)))
    per_layer = log(point.chi) / (2 * LN10)
    top = len(hidden) - 1
    return (*(norms[top] + (top - k) * per_layer for k in range(top + 1)), norms[-1])
