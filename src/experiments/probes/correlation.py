r"""Lengths and angles on a live network, layer by layer, as the mean field predicts them.

::

    length^[l]      = (1 / n_l) sum_j z_j(x)^2                                    predicted: q
    correlation^[l] = sum_j z_j(x) z_j(y) / sqrt(sum_j z_j(x)^2 sum_j z_j(y)^2)   predicted: c

Not centred: biases, which all examples share, increase the correlation, as in the theory.

References:
    Poole et al. (2016).
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from experiments.core.direction import direction
from experiments.core.errors import describe
from experiments.models import MLP
from experiments.probes.passes import forward


def lengths(net: MLP, x: Float[Tensor, "*batch n_in"]) -> Float64[Tensor, "layers *runs batch"]:
    """Mean square of z^[l] of every example, for every layer with weights."""
    measured = forward(net, x)
    return measured.shaped(torch.stack([z.double().square().mean(-1) for z in measured.z]), 1)


def correlations(
    net: MLP, x: Float[Tensor, "*batch n_in"], y: Float[Tensor, "*batch n_in"]
) -> Float64[Tensor, "layers *runs batch"]:
    """Correlation of z^[l](x) and z^[l](y), row by row, for every layer with weights.

    Correct for any length, even 1e-200. NaN where one of the two is all 0 or not finite.

    Raises:
        ValueError: if x and y differ in shape; broadcasting would compare one y with every x.

    Example:
        An orthogonal linear layer keeps every angle:

        >>> from experiments.activations import Identity
        >>> from experiments.initializers import Orthogonal
        >>> net = MLP((2, 2), Identity(), Orthogonal(), seed=0)
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
        >>> correlations(net, x, y).square()
        tensor([[0.5000]], dtype=torch.float64)
    """
    if x.shape != y.shape:
        raise ValueError(
            describe(
                f"inputs of shapes {tuple(x.shape)} and {tuple(y.shape)}",
                "two of the same shape",
                "pair the rows, for instance with expand_as",
            )
        )
    first, second = forward(net, x), forward(net, y)
    rows = [(direction(a) * direction(b)).sum(-1) for a, b in zip(first.z, second.z, strict=True)]
    return first.shaped(torch.stack(rows), 1)
