r"""The Jacobian da^[L]/dx, its partial products and their condition numbers.

    J^[l] = D^[l] W^[l] ... D^[2] W^[2] = da^[l]/dx,    n_l x n_1
    J^[1] = I,    J^[l] = D^[l] W^[l] J^[l-1]                               forward mode
    G = D^[L],    G <- (G W^[l]) D^[l-1],    J^[L] = G W^[2]                reverse mode

The singular values of J^[l] tell by how much layers 2 .. l stretch a small change of the input. They
spread exponentially with depth. The products are therefore rescaled by powers of two, which adds no
rounding, so that neither end leaves the range of floats.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from experiments.backprop.checks import Layer, layers_of, require_input
from experiments.backprop.exponents import LOG10_2, normalised
from experiments.backprop.forward import evaluated
from experiments.models import MLP


@dataclass(frozen=True)
class PartialProduct:
    """The singular values of J^[l] of every run and example.

    Attributes:
        layer: the notes' l, from 2.
        log10_singular_values: descending, (batch, m) or (R, batch, m), m = min(n_l, n_1); float64. -inf
            for a value of 0, NaN where J^[l] is not finite.
        log10_condition: log10 of (largest / smallest); infinite where the smallest is 0.
        resolved: which singular values exceed the rounding error of the product, about l eps times the
            largest; the others are rounding noise.
    """

    layer: int
    log10_singular_values: Float[Tensor, "*runs batch m"]
    log10_condition: Float[Tensor, "*runs batch"]
    resolved: Bool[Tensor, "*runs batch m"]


def input_jacobian(net: MLP, x: Shaped[Tensor, "..."]) -> Float[Tensor, "*runs_batch n_out n_in"]:
    """da^[L]/dx of every example, in reverse mode: n_L rows.

    Args:
        net: one network or a stack of R.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).

    Returns:
        (batch, n_L, n_1), with runs (R, batch, n_L, n_1).

    Raises:
        ValueError: if the input does not fit.

    Example:
        >>> from experiments.activations import Identity
        >>> from experiments.initializers import Glorot
        >>> net = MLP((3, 2), Identity(), Glorot(), seed=0)
        >>> torch.equal(input_jacobian(net, torch.ones(1, 3))[0], net.weights[0])
        True

    References:
        Note 000 for n_L = 1; Baydin et al. (2018), section 3.2.
    """
    x = require_input(net, x)
    with torch.no_grad():
        layers = layers_of(net)
        diagonals = evaluated(layers, x)[1]
        G = torch.diag_embed(diagonals[-1])
        for k in range(len(layers) - 1, 0, -1):
            G = times_weight(G, layers[k].W) * diagonals[k - 1].unsqueeze(-2)
        return times_weight(G, layers[0].W)


def forward_products(
    net: MLP, x: Shaped[Tensor, "..."]
) -> list[Float[Tensor, "*runs_batch _ n_in"]]:
    """J^[2], ..., J^[L] of every example, in forward mode: n_1 columns.

    Raises:
        ValueError: if the input does not fit.
    """
    x = require_input(net, x)
    with torch.no_grad():
        layers = layers_of(net)
        diagonals = evaluated(layers, x)[1]
        products = [diagonals[0].unsqueeze(-1) * layers[0].W.unsqueeze(-3)]
        for layer, d in zip(layers[1:], diagonals[1:], strict=True):
            products.append(d.unsqueeze(-1) * _weight_times(layer.W, products[-1]))
    return products


def partial_products(net: MLP, x: Shaped[Tensor, "..."]) -> list[PartialProduct]:
    """Singular values and condition of D^[l] W^[l] ... D^[2] W^[2], for l = 2 .. L.

    Everything is computed in float64, whatever the type of the network.

    Raises:
        ValueError: if the input does not fit.

    Example:
        >>> from experiments.activations import Identity
        >>> from experiments.initializers import Orthogonal
        >>> net = MLP((4, 4, 4), Identity(), Orthogonal(), seed=0)
        >>> [round(float(p.log10_condition), 6) for p in partial_products(net, torch.ones(1, 4))]
        [0.0, 0.0]
    """
    x = require_input(net, x)
    partials = []
    with torch.no_grad():
        layers = [Layer(W.double(), b.double(), sigma) for W, b, sigma in layers_of(net)]
        diagonals = evaluated(layers, x.double())[1]
        product, exponent = None, torch.zeros((), dtype=torch.float64, device=x.device)
        for number, (layer, d) in enumerate(zip(layers, diagonals, strict=True), start=2):
            W = layer.W
            stretched = W.unsqueeze(-3) if product is None else _weight_times(W, product)
            product, shift = normalised(d.unsqueeze(-1) * stretched, dims=2)
            exponent = exponent + shift
            partials.append(_conditioned(number, product, exponent))
    return partials


def _conditioned(number: int, product: Tensor, exponent: Tensor) -> PartialProduct:
    finite = torch.isfinite(product).all(-1, keepdim=True).all(-2, keepdim=True)
    values = torch.linalg.svdvals(torch.where(finite, product, 0.0))
    values = torch.where(finite.squeeze(-1), values, torch.nan)
    logs = values.log10() + exponent.squeeze(-1) * LOG10_2
    largest, smallest = values[..., :1], values[..., -1:]
    condition = torch.where(smallest == 0, torch.inf, largest.log10() - smallest.log10())
    return PartialProduct(
        layer=number,
        log10_singular_values=logs,
        log10_condition=condition.squeeze(-1),
        resolved=values > number * torch.finfo(values.dtype).eps * largest,
    )


def times_weight(G: Tensor, W: Tensor) -> Tensor:
    """G W for every example: the rows of all examples in one product, which does not copy W."""
    product: Tensor = (G.flatten(-3, -2) @ W).unflatten(-2, G.shape[-3:-1])
    return product


def _weight_times(W: Tensor, J: Tensor) -> Tensor:
    """W J for every example."""
    return times_weight(J.mT, W.mT).mT
