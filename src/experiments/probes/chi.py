r"""The factor by which one layer changes a squared gradient, measured in two ways.

::

    effective_chi^[l]   = (1 / n_l) sum_j sigma'(z_j^[l])^2 sum_i (W_ij^[l+1])^2
    gradient_ratio^[l]  = (||delta^[l]||^2 / n_l) / (||delta^[l+1]||^2 / n_{l+1})

The first is the mean squared singular value of the backward map D^[l] W^[l+1]^T, times n_{l+1} / n_l: the
factor for a delta in a random direction. The second is the factor for the delta of an actual cost. For
equal widths both estimate chi of the mean field.

References:
    Schoenholz et al. (2017).
"""

from itertools import pairwise

import torch
from jaxtyping import Float, Float64, Num
from torch import Tensor

from experiments.core.loss import Loss
from experiments.models import MLP
from experiments.probes.passes import Pass, forward, forward_and_backward, require_plain


def effective_chi(
    net: MLP, x: Float[Tensor, "*batch n_in"]
) -> Float64[Tensor, "hidden_layers *runs"]:
    """Mean over the batch, for every hidden layer from the first to the last.

    Raises:
        ValueError: for a network with skips or normalisation, because its layers are not of the form D W.

    Example:
        An orthogonal linear network has chi = 1:

        >>> from experiments.activations import Identity
        >>> from experiments.initializers import Orthogonal
        >>> net = MLP((4, 4, 4, 4), Identity(), Orthogonal(), seed=0)
        >>> bool((effective_chi(net, torch.ones(1, 4)) - 1).abs().max() < 1e-6)
        True
    """
    require_plain(net, "effective_chi")
    measured = forward(net, x)
    factors = [
        torch.einsum("rbj,rj->r", layer.slope**2, above.weight.square().sum(1))
        / layer.slope[0].numel()
        for layer, above in pairwise(measured.layers)
    ]
    return _stacked(measured, factors)


def gradient_ratio(
    net: MLP, x: Float[Tensor, "*batch n_in"], t: Num[Tensor, "..."], loss: Loss
) -> Float64[Tensor, "hidden_layers *runs"]:
    """The ratio for the deltas of a cost; NaN where both norms are 0, infinite where only the upper is.

    Norms are computed in float64 from deltas in the precision of the network; use a float64 network if
    deltas underflow.
    """
    measured = forward_and_backward(net, x, t, loss)
    mean_squares = [delta.double().square().flatten(1).mean(1) for delta in measured.delta]
    ratios = [lower / upper for lower, upper in pairwise(mean_squares)]
    return _stacked(measured, ratios)


def _stacked(measured: Pass, rows: list[Tensor]) -> Tensor:
    """One row per hidden layer; a network without hidden layers has no rows."""
    weight = measured.layers[0].weight
    stacked = torch.stack(rows) if rows else weight.new_zeros(0, len(weight))
    return measured.shaped(stacked, 1)
