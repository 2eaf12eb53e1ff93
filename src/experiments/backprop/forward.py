"""The forward pass that stores every z and a: the first step of every algorithm in the notes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.backprop.checks import Layer, layers_of, require_input
from experiments.models import MLP


@dataclass(frozen=True)
class ForwardPass:
    """Every z^[l] and a^[l] of one pass, from the first layer with weights to the output.

    Attributes:
        z: entry k is z^[k+2], (batch, n) or (R, batch, n).
        a: entry k is a^[k+2], of the same shapes; the last is the output of the network.
    """

    z: list[Float[Tensor, "*runs batch _"]]
    a: list[Float[Tensor, "*runs batch _"]]


def forward_pass(net: MLP, x: Shaped[Tensor, "..."]) -> ForwardPass:
    """Compute and store z and a of every layer.

    Formula::

        a^[1] = x;    z^[l] = W^[l] a^[l-1] + b^[l],    a^[l] = sigma_l(z^[l]),    l = 2 .. L
        z = a_prev @ W.T + b                             (one example per row)

    Args:
        net: one network or a stack of R.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).

    Returns:
        Tensors without an autograd graph.

    Raises:
        ValueError: for input that does not fit the network (``experiments.backprop.checks``).

    Example:
        >>> from experiments.activations import ReLU
        >>> from experiments.initializers import He
        >>> net = MLP((2, 3, 1), ReLU(), He(), seed=0)
        >>> [tuple(z.shape) for z in forward_pass(net, torch.ones(5, 2)).z]
        [(5, 3), (5, 1)]

    References:
        Note 000, step 1; note 003, "Feed forward stage"; Higham & Higham (2019), eq. 3.1-3.2.
    """
    x = require_input(net, x)
    with torch.no_grad():
        return stored_pass(layers_of(net), x)


def evaluated(layers: list[Layer], x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """a of every layer, x first, and sigma'(z) of every layer with weights; the input was checked."""
    a, derivatives = [x], []
    for layer in layers:
        value, derivative = layer.evaluate(layer.affine(a[-1]))
        a.append(value)
        derivatives.append(derivative)
    return a, derivatives


def stored_pass(layers: list[Layer], x: Tensor) -> ForwardPass:
    """``forward_pass`` for layers and input that were already checked."""
    z: list[Tensor] = []
    a: list[Tensor] = []
    for layer in layers:
        z.append(layer.affine(a[-1] if a else x))
        a.append(layer.activation.value(z[-1]))
    return ForwardPass(z, a)
