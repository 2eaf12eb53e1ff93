"""One recorded pass of a live network: what every probe of this folder starts from.

A stack keeps its run axis; a single network gets one of length 1, and loses it again in the results.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor

from experiments.core.loss import Loss
from experiments.models import MLP


@dataclass(frozen=True)
class Pass:
    """Per layer with weights, first to last, in the network's own precision.

    Attributes:
        z: z^[l], (R, batch, n).
        derivative: sigma'(z^[l]), (R, batch, n).
        weight: W^[l], (R, n, n_prev).
        delta: dC/dz^[l] of the mean cost, (R, batch, n); empty without a cost.
        single: whether the network has no run axis of its own.
    """

    z: list[Tensor]
    derivative: list[Tensor]
    weight: list[Tensor]
    delta: list[Tensor]
    single: bool

    def shaped(self, result: Tensor, axis: int) -> Tensor:
        """Drop the run axis of a result where the network has none."""
        return result.squeeze(axis) if self.single else result


def forward(net: MLP, x: Float[Tensor, "*batch n_in"]) -> Pass:
    """Run the network on x; no gradients are kept, no random numbers drawn."""
    with torch.no_grad():
        _, records = net.recorded_forward(x)
        return _pass(net, [record.z for record in records], [])


def forward_and_backward(
    net: MLP, x: Float[Tensor, "*batch n_in"], t: Num[Tensor, "..."], loss: Loss
) -> Pass:
    """The same with delta, from the network's own backward pass; ``.grad`` is left alone."""
    with torch.enable_grad():
        outputs, records = net.recorded_forward(x)
        torch.autograd.grad(loss(outputs, t).sum(), net.weights)
    with torch.no_grad():
        return _pass(net, [r.z for r in records], [r.delta for r in records])


def _pass(net: MLP, z: list[Tensor], delta: list[Tensor]) -> Pass:
    single = net.runs is None
    slopes = [sigma.derivative(zl) for sigma, zl in zip(net.activations, z, strict=True)]
    weights = [w.detach() for w in net.weights]

    def stacked(parts: list[Tensor]) -> list[Tensor]:
        return [part[None] for part in parts] if single else parts

    return Pass(stacked(z), stacked(slopes), stacked(weights), stacked(delta), single)
