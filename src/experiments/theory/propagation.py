r"""Mean-field propagation of one batch through a network of given widths, layer by layer.

::

    q^[l] = n_{l-1} Var W^[l] m^[l-1] + Var b^[l],   m^[l] = E[phi(u)^2],   u ~ N(0, q^[l])
    c^[l] q^[l] = n_{l-1} Var W^[l] m^[l-1] r^[l-1] + Var b^[l],   r^[l] = E[phi(u) phi(v)] / m^[l]

starting at the mean square m^[1] of the inputs and their correlations r^[1], one for each class of pairs of
examples. The backward pass needs the averages of phi' at (q, c). Lengths are stored as logarithms, because
they may leave the range of floats.

References:
    Poole et al. (2016); Schoenholz et al. (2017).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.theory.batch import BatchMoments
from experiments.theory.length import LARGEST, SMALLEST
from experiments.theory.quadrature import COARSE, Pair, Quadrature, Scale, ValueAndDerivative


@dataclass(frozen=True)
class LayerAverages:
    """Averages in one layer with weights; natural logarithms, and tensors over classes of pairs."""

    log_moment_before: float  # of a^[l-1]
    before: Tensor  # correlation of a^[l-1]
    log_q: float
    correlation: Tensor  # of z^[l]
    slope: float  # E[phi'(u)^2], and so on; 1 at the output
    slope_squared: float
    pair_slope: Tensor
    pair_slope_squared: Tensor


def follow(
    hidden: list[ValueAndDerivative],
    fans: list[tuple[int, int]],
    initializer: Initializer,
    batch: BatchMoments,
) -> list[LayerAverages]:
    """Lengths and correlations of every layer with weights, from the first to the output."""
    quadratures = {id(phi): Quadrature(phi) for phi in hidden}
    log_moment, pair = log(batch.inputs), batch.input_correlation
    layers = list[LayerAverages]()
    for (n, n_prev), phi in zip(fans, [*hidden, None], strict=True):
        log_weights = log(n_prev * initializer.weight_variance(n, n_prev)) + log_moment
        log_bias = log(initializer.bias_variance(n, n_prev))
        larger = max(log_weights, log_bias)
        if larger == -math.inf:
            raise ConfigurationError(
                describe(
                    "weights and biases that are all 0", "a nonzero signal", "give sigma_w above 0"
                )
            )
        log_q = larger + math.log1p(math.exp(min(log_weights, log_bias) - larger))
        share = math.exp(log_weights - log_q)  # of the variance that is due to the weights
        correlation = (pair * share + 1 - share).clamp(-1, 1)
        if phi is None:
            one = torch.ones_like(pair)
            layers.append(LayerAverages(log_moment, pair, log_q, correlation, 1.0, 1.0, one, one))
            break
        quadrature = quadratures[id(phi)]
        # for very large and very small q the averages are those of a homogeneous function
        probe = min(max(math.exp(min(log_q, 500.0)), SMALLEST), LARGEST, quadrature.ceiling)
        q = torch.full_like(pair, probe)
        moment, slope, _ = (float(average) for average in quadrature.single(q[:1]))
        fourth = float(quadrature.slope_squared(q[:1]))
        if batch.size > 1:
            both = _pairs(quadrature, q, correlation)
        else:  # the one example with itself
            both = Pair(0 * q, torch.full_like(q, slope), torch.full_like(q, fourth))
        angles = (both.slope, both.slope_squared)
        layers.append(LayerAverages(log_moment, pair, log_q, correlation, slope, fourth, *angles))
        log_moment, pair = log_q + log(moment / probe), 1 - both.distance / (2 * moment)
    return layers


def _pairs(quadrature: Quadrature, q: Tensor, correlation: Tensor) -> Pair:
    """Pair averages for correlations of either sign."""
    columns = torch.empty(3, len(q), dtype=torch.float64)
    for mirrored in (False, True):
        chosen = (correlation < 0) == mirrored
        if chosen.any():
            decorrelation = 1 - correlation[chosen].abs()
            columns[:, chosen] = torch.stack(
                quadrature.pair(q[chosen], decorrelation, COARSE, mirrored)
            )
    return Pair(*columns)


def pairs_downwards(layers: list[LayerAverages], at_output: Tensor) -> list[Tensor]:
    """Correlation of the deltas of two examples at every layer, from the output down."""
    ratios = [layer.pair_slope / layer.slope for layer in layers[:-1]] + [at_output]
    return list(accumulate(reversed(ratios), torch.mul))[::-1]


def per_hidden_layer(
    activation: ValueAndDerivative | Sequence[ValueAndDerivative], depth: int
) -> list[ValueAndDerivative]:
    """One activation for every hidden layer, or the list as it is.

    Raises:
        ConfigurationError: for a wrong number of activations, or fewer than two widths.
    """
    if depth < 0:
        found, remedy = f"{depth + 2} widths", "give the network's widths, input first"
        raise ConfigurationError(describe(found, "at least two, (n_1, n_L)", remedy))
    if isinstance(activation, ValueAndDerivative):
        return [activation] * depth
    if len(activation) != depth:
        raise ConfigurationError(
            describe(f"{len(activation)} activations", f"one, or {depth}", "one per hidden layer")
        )
    return list(activation)


def from_the_top(terms: Iterable[float]) -> list[float]:
    """For every entry, the sum of the terms from there to the last."""
    return list(accumulate(reversed(list(terms))))[::-1]


def log(x: Scale) -> float:
    """Natural logarithm, -inf at 0."""
    return math.log(x) if x > 0 else -math.inf
