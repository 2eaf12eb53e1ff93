r"""The Jacobian of the outputs in the parameters, example by example.

    G = D^[L]                                        n_L x n_L
    da_i^[L]/dW_jk^[l] = G_ij a_k^[l-1],    da_i^[L]/db_j^[l] = G_ij,    G <- (G W^[l]) D^[l-1]

G = da^[L]/dz^[l] is the matrix of the reverse mode for the input Jacobian. The sum of its rows, weighted by
dC/da^[L], is delta^[l]; nonlinear least squares needs the rows before they are summed.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.backprop.checks import layers_of, require_input
from experiments.backprop.forward import evaluated
from experiments.backprop.jacobian import times_weight
from experiments.models import MLP


def parameter_jacobian(
    net: MLP, x: Shaped[Tensor, "..."]
) -> Float[Tensor, "*runs_batch n_out parameters"]:
    """da^[L]/dtheta of every example, theta = (W^[2], b^[2], ..., W^[L], b^[L]), each row by row.

    Args:
        net: one network or a stack of R.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).

    Returns:
        (batch, n_L, P), with runs (R, batch, n_L, P), P the number of parameters of one network;
        column p belongs to entry p of theta.

    Raises:
        ValueError: if the input does not fit.

    Example:
        >>> from experiments.activations import Identity
        >>> from experiments.initializers import Glorot
        >>> net = MLP((2, 1), Identity(), Glorot(), seed=0)
        >>> parameter_jacobian(net, torch.tensor([[3.0, 5.0]]))
        tensor([[[3., 5., 1.]]])

    References:
        Higham & Higham (2019), section 6, the nonlinear least-squares variant; Nocedal & Wright (2006),
        chapter 10.
    """
    x = require_input(net, x)
    with torch.no_grad():
        layers = layers_of(net)
        a, diagonals = evaluated(layers, x)
        G = torch.diag_embed(diagonals[-1])
        columns = []
        for k in range(len(layers) - 1, -1, -1):
            dW = G.unsqueeze(-1) * a[k][..., None, None, :]
            columns += [G, dW.flatten(-2)]
            if k:
                G = times_weight(G, layers[k].W) * diagonals[k - 1].unsqueeze(-2)
        return torch.cat(columns[::-1], dim=-1)
