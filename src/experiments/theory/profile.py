r"""The predicted gradient profile of one network: log10 norms layer by layer, to draw over measured ones.

With the actual widths and the actual input, q is followed from layer to layer, not set to q*::

    q^[l]  = n_{l-1} Var W^[l] m^[l-1] + Var b^[l],   m^[l] = E[phi(u)^2],  u ~ N(0, q^[l])
    d^[l]  = n_{l+1} Var W^[l+1] E[phi'(u)^2] d^[l+1]           mean square of one example's dC_d/dz
    ||delta^[l]||^2  = n_l d^[l] / B                            Frobenius, of the mean over B examples
    ||dC/dW^[l]||^2  = n_l n_{l-1} d^[l] m^[l-1] (1 + (B - 1) <r_delta r_a>) / B

<r_delta r_a> is the mean, over pairs of examples, of the correlation of their deltas times that of their
activations; both follow the pair recursions of the mean field. Norms are root mean squares over draws of
the weights. The logarithm of one draw lies below by ``log10_shortfall`` on average and scatters by
``log10_spread``: with V the variance of ln ||delta^[l]||^2, by V / (4 ln 10) and sqrt(V) / (2 ln 10), where
V adds up over the hidden layers j >= l::

    V = sum_j (1 / n_j) mean over d, d' of (E[phi'(u_d)^2 phi'(u_d')^2] (1 + 2 r_delta^2) / E[phi'^2]^2 - 1)

that is (3 mu_2 / mu_1^2 - 1) / n_j a layer for a single example: 5 / n for ReLU, 2 / n for a linear one.

Validity: independent centred normal weights (uniform ones scatter a little less); depth small against width;
examples of about the same length; the weights of the backward pass taken as independent of those of the
forward pass, as in all of mean field. V holds the layers' own draws only. That q itself scatters, and with it
the gain of every layer above, is left out: nothing for ReLU and linear networks; for one example at the
critical start it would add to V deep down (``finite_width.gradient_scatter``) 32 % for tanh, 27 % for ELU and
5 % for a sigmoid, and about half of that to ``log10_spread``; for GELU, whose length hardly returns to q*, it
multiplies V by 12. A batch would need the covariances of its lengths.

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
        correlation: of two examples' pre-activations, mean over pairs; 1 for a single example.
        chi: the factor on the mean square of delta that a layer passes down, n_{l+1} Var W E[phi'^2];
            1 for the output layer.
        log10_delta_norm: log10 of the root mean square of ||delta^[l]|| over draws.
        log10_weight_gradient_norm: the same for ||dC/dW^[l]||.
        log10_shortfall: how far the mean of log10 ||delta^[l]|| lies below ``log10_delta_norm``.
        log10_spread: standard deviation of log10 ||delta^[l]|| over draws.
        asymptote: ``log10_delta_norm`` continued down from the last hidden layer by sqrt(chi) of the
            fixed point a layer; None where hidden layers differ in width or activation.
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
    """Predict what ``backpropagate`` will find in freshly drawn networks.

    Args:
        widths: (n_1, ..., n_L).
        activation: of every hidden layer, or one per hidden layer.
        initializer: its promised variances are used, not its draws.
        batch: second moments of the inputs and of delta^[L], and how examples correlate.

    Raises:
        ConfigurationError: for a wrong number of activations, or inputs that are all 0 without biases.

    Example:
        A linear network of 100 units and Var W = 1 / n neither gains nor loses:

        >>> from experiments.activations import Identity
        >>> from experiments.initializers import LeCun
        >>> one = BatchMoments(inputs=1.0, deltas=1.0)
        >>> predicted_profile((100, 100, 100, 100), Identity(), LeCun(), one).log10_delta_norm
        (1.0, 1.0, 1.0)
    """
    hidden = per_hidden_layer(activation, len(widths) - 2)
    fans = list(zip(widths[1:], widths[:-1], strict=True))
    layers = follow(hidden, fans, initializer, batch)
    back = [n * initializer.weight_variance(n, n_prev) for n, n_prev in fans]
    chi = [gain * layer.slope for gain, layer in zip(back[1:], layers, strict=False)] + [1.0]
    log_d = [x + log(batch.deltas) for x in from_the_top(map(log, chi))]
    variance = _variances(layers, batch, widths)
    together = [
        1 + (batch.size - 1) * float((r * layer.before) @ batch.shares)
        for r, layer in zip(pairs_downwards(layers, batch.delta_correlation), layers, strict=True)
    ]
    log_delta = [x + log(n / batch.size) for x, n in zip(log_d, widths[1:], strict=True)]
    log_weight = [
        x + log(n_prev * coherent) + layer.log_moment_before
        for x, n_prev, layer, coherent in zip(log_delta, widths, layers, together, strict=False)
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
        alone = 3 * layer.slope_squared / layer.slope**2 - 1
        together = layer.pair_slope_squared * (1 + 2 * squared) / layer.slope**2 - 1
        mean = (alone + (batch.size - 1) * float(together @ batch.shares)) / batch.size
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
