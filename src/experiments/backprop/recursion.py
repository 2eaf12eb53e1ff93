"""Backpropagation: the delta recursion of notes 002, 003 and 004."""

import torch
from jaxtyping import Shaped
from torch import Tensor

from experiments.backprop.buffers import BackpropagationBuffers
from experiments.backprop.checks import (
    Layer,
    layers_of,
    require_input,
    require_loss,
    require_targets,
)
from experiments.backprop.forward import evaluated
from experiments.backprop.gradients import Backpropagation
from experiments.core.alike import require_tensor
from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.models import MLP


def backpropagate(
    net: MLP,
    x: Shaped[Tensor, "..."],
    t: Shaped[Tensor, "..."],
    loss: Loss,
    activation_gradients: bool = False,
    buffers: BackpropagationBuffers | None = None,
) -> Backpropagation:
    r"""All gradients of the mean cost C, computed by hand from the output back to the first layer.

    Formula (column vectors, one example; the code keeps one example per row)::

        delta^[L]   = D^[L] dC/da^[L]                       delta  = dC/da * sigma'(z)
        delta^[l]   = D^[l] (W^[l+1])^T delta^[l+1]         delta  = (delta_next @ W_next) * sigma'(z)
        dC/dW^[l]   = delta^[l] (a^[l-1])^T                 grad_W = delta.T @ a_prev
        dC/db^[l]   = delta^[l]                             grad_b = delta summed over the batch
        dC/da^[l-1] = (W^[l])^T delta^[l]                   delta @ W

    with D^[l] = diag(sigma_l'(z^[l])) and C = 1/|D| sum_d C_d. The factor 1/batch enters once, at delta^[L].
    Every layer may have a different activation.

    Args:
        net: one network or a stack of R.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).
        t: targets in the form that the loss accepts, with the run axis or shared by all runs.
        loss: any loss; it applies its own link to the output of the network.
        activation_gradients: also return dC/da^[l-1] for every layer; the first entry is dC/dx.
        buffers: compute in these buffers and return views of them, which the next call overwrites.
            x is then not checked for NaN and infinity, because reading it would wait for the device.

    Returns:
        Tensors without a graph, equal to what autograd computes for the mean cost of every run.

    Raises:
        ValueError: for input or targets that do not fit, or an activation without a derivative.

    Example:
        >>> from experiments.activations import Sigmoid
        >>> from experiments.initializers import Glorot
        >>> from experiments.losses import HalfSquaredError
        >>> net = MLP((2, 3, 1), Sigmoid(), Glorot(), seed=0)
        >>> x, t = torch.ones(5, 2), torch.zeros(5, 1)
        >>> by_hand = backpropagate(net, x, t, HalfSquaredError())
        >>> HalfSquaredError()(net(x), t).backward()
        >>> torch.allclose(net.weights[0].grad, by_hand.weight_gradients[0])
        True

    References:
        Note 002, (a) and (b); note 003, "Final algo" (its sum must run to n_{l+1}); note 004; Higham &
        Higham (2019), Lemma 5.1.
    """
    if buffers is None:
        x = require_input(net, x)
        require_loss(loss)
        require_targets(t)
        return stored_backpropagation(layers_of(net), x, t, loss, activation_gradients)
    if buffers.net is not net or activation_gradients:
        found = (
            "buffers of another network" if buffers.net is not net else "activation_gradients=True"
        )
        expected = "buffers made for this network, without dC/da"
        remedy = "call without buffers, or make BackpropagationBuffers for this network"
        raise ValueError(describe(found, expected, remedy))
    require_tensor("x", x)
    return buffers.backpropagate(x, t, loss)


@torch.no_grad()
def stored_backpropagation(
    layers: list[Layer], x: Tensor, t: Tensor, loss: Loss, activation_gradients: bool = False
) -> Backpropagation:
    """``backpropagate`` for layers and input that were already checked."""
    a, derivatives = evaluated(layers, x)
    cost, slope = loss.per_example_and_delta(a[-1], t)
    grad_a = slope / x.shape[-2]
    deltas: list[Tensor] = []
    grads_a_prev: list[Tensor] = []
    for k in reversed(range(len(layers))):
        delta = grad_a * derivatives[k]
        deltas.insert(0, delta)
        if k > 0 or activation_gradients:
            grad_a = delta @ layers[k].W
            grads_a_prev.insert(0, grad_a)
    return Backpropagation(
        loss=cost.mean(-1),
        deltas=deltas,
        weight_gradients=[delta.mT @ a_prev for delta, a_prev in zip(deltas, a, strict=False)],
        bias_gradients=[delta.sum(-2) for delta in deltas],
        activation_gradients=grads_a_prev if activation_gradients else None,
    )
