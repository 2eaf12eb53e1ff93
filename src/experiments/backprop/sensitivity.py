r"""The exercise of notes 000 and 001: grad a^[L](x) of a network with one output, in both orders.

With D^[l] = diag(sigma_l'(z^[l])) and n_L = 1::

    grad a^[L](x) = D^[L] W^[L] D^[L-1] W^[L-1] ... D^[2] W^[2]            a row, 1 x n_1

    note 001, "reverse"   Delta^[L] = 1,      Delta^[l-1] = (W^[l])^T D^[l] Delta^[l],     l = L .. 2
    note 000, "row"       G = D^[L] W^[L],    G <- G (D^[l] W^[l]),                      l = L-1 .. 2

Delta^[l] (capital) is da^[L]/da^[l], the sensitivity of the output; it is not delta^[l] = dC/dz^[l].
Both orders start at the output and multiply the same numbers. The column form multiplies a vector by D
and then by W^T; the row form, as in note 000, forms the matrix D^[l] W^[l] first, which costs twice as
many multiply-adds (``cost.py``).
"""

from dataclasses import dataclass
from typing import Literal, overload

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.backprop.checks import Layer, layers_of, require_input, require_single_output
from experiments.core.errors import ConfigurationError, describe
from experiments.models import MLP

#: largest number of entries of all D W that the row form holds at once
LARGEST_PRODUCT = 2**24


@dataclass(frozen=True)
class InputGradientTrace:
    """Every intermediate result of one input gradient, named as in the notes; dicts with l as the key.

    Attributes:
        gradient: grad a^[L](x), (batch, n_1) or (R, batch, n_1).
        W: l = 2 .. L, the weights.
        b: l = 2 .. L, the biases.
        z: l = 2 .. L, (batch, n_l) or (R, batch, n_l).
        a: l = 1 .. L; a[1] is x.
        D: l = 2 .. L, the diagonals sigma_l'(z^[l]), in the shape of z.
        Delta: l = L .. 1, da^[L]/da^[l], in the shape of a; empty with ``order="row"``.
        G: l = L .. 2, the row after the step with W^[l], (batch, 1, n_{l-1}), which is Delta[l-1] as a
            row; empty with ``order="reverse"``.
    """

    gradient: Float[Tensor, "*runs batch n_in"]
    W: dict[int, Tensor]
    b: dict[int, Tensor]
    z: dict[int, Tensor]
    a: dict[int, Tensor]
    D: dict[int, Tensor]
    Delta: dict[int, Tensor]
    G: dict[int, Tensor]


@overload
def input_gradient(
    net: MLP, x: Tensor, order: str = "reverse", trace: Literal[False] = False
) -> Tensor: ...


@overload
def input_gradient(
    net: MLP, x: Tensor, order: str = "reverse", *, trace: Literal[True]
) -> InputGradientTrace: ...


def input_gradient(
    net: MLP,
    x: Shaped[Tensor, "..."],
    order: str = "reverse",
    trace: bool = False,
) -> Float[Tensor, "*runs_batch n_in"] | InputGradientTrace:
    """grad a^[L](x) of every example, by hand, in either order of the notes (formulas above).

    Args:
        net: a network with one output neuron, or a stack of R.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).
        order: ``"reverse"`` (note 001) or ``"row"`` (note 000).
        trace: return every intermediate result, too.

    Returns:
        (batch, n_1), with runs (R, batch, n_1): da^[L]/dx_i for every input i. With ``trace``, an
        ``InputGradientTrace``.

    Raises:
        ValueError: if n_L > 1, or the input does not fit.

    Example:
        The gradient of a linear network is its weights:

        >>> from experiments.activations import Identity
        >>> from experiments.initializers import Glorot
        >>> net = MLP((3, 1), Identity(), Glorot(), seed=0)
        >>> torch.equal(input_gradient(net, torch.ones(1, 3)), net.weights[0])
        True

    References:
        Notes 000 and 001; Higham & Higham (2019), section 5, for the cost instead of the output.
    """
    if order not in ("reverse", "row"):
        expected = "'reverse' (note 001) or 'row' (note 000)"
        raise ConfigurationError(describe(f"order={order!r}", expected, "choose one of the two"))
    require_single_output(net)
    x = require_input(net, x)
    with torch.no_grad():
        result = _traced(layers_of(net), x, order)
    return result if trace else result.gradient


def _traced(layers: list[Layer], x: Tensor, order: str) -> InputGradientTrace:
    a, z, D = {1: x}, {}, {}
    numbered = dict(enumerate(layers, start=2))
    for number, layer in numbered.items():
        z[number] = layer.affine(a[number - 1])
        a[number], D[number] = layer.evaluate(z[number])
    Delta: dict[int, Tensor] = {}
    G: dict[int, Tensor] = {}
    top = len(layers) + 1
    if order == "reverse":
        Delta[top] = torch.ones_like(a[top])
        for number in range(top, 1, -1):
            Delta[number - 1] = (D[number] * Delta[number]) @ numbered[number].W
        gradient = Delta[1]
    else:
        G[top] = _diagonal_times(D[top], numbered[top].W)
        for number in range(top - 1, 1, -1):
            G[number] = _row_step(G[number + 1], D[number], numbered[number].W)
        gradient = G[2].squeeze(-2)
    W = {number: layer.W.detach() for number, layer in numbered.items()}
    b = {number: layer.b.detach() for number, layer in numbered.items()}
    return InputGradientTrace(gradient, W, b, z, a, D, Delta, G)


def _diagonal_times(d: Tensor, W: Tensor) -> Tensor:
    """D^[l] W^[l] of every example, (*runs, batch, n, n_prev)."""
    return d.unsqueeze(-1) * W.unsqueeze(-3)


def _row_step(G: Tensor, d: Tensor, W: Tensor) -> Tensor:
    """G (D W), a few examples at a time, because every example has its own matrix D W."""
    at_once = max(1, LARGEST_PRODUCT // W.numel())
    parts = zip(G.split(at_once, dim=-3), d.split(at_once, dim=-2), strict=True)
    return torch.cat([row @ _diagonal_times(part, W) for row, part in parts], dim=-3)
