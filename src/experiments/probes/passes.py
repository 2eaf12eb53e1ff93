r"""One recorded pass of a live network, linearised layer by layer, on which the probes are based.

A layer at one input is the linear map from a^[l-1] to a^[l]::

    plain:       v -> D W v                   D = diag(sigma'(z))
    normalised:  v -> D N W v                 N = (I - 1 1^T / n - y y^T / n) / s,  y = (z - mean) / s,
                                              s^2 = variance of z over the neurons, plus 1e-5
    with skip:   either of them, plus v

A stack keeps its run axis. A single network gets a run axis of length 1, which ``shaped`` removes again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.layers import Dense, LayerRecord
from experiments.models import MLP

#: added to the variance by torch's layer_norm, so that it never divides by 0
GUARD = 1e-5


@dataclass(frozen=True)
class LinearLayer:
    """One layer as a linear map, in float64, for every run and example.

    Attributes:
        weight: W, (R, n, n_prev).
        slope: sigma' at the argument of the activation, (R, batch, n).
        normal: y and 1 / s of a normalised layer, (R, batch, n) and (R, batch, 1); None without.
        skip: whether v itself is added.
    """

    weight: Tensor
    slope: Tensor
    normal: tuple[Tensor, Tensor] | None
    skip: bool

    def push(self, v: Tensor) -> Tensor:
        """J v, (R, batch, n_prev, columns) -> (R, batch, n, columns)."""
        pushed = self.slope[..., None] * self._normalise(_times(self.weight, v))
        return pushed + v if self.skip else pushed

    def pull(self, u: Tensor) -> Tensor:
        """J^T u."""
        pulled = _times(self.weight.mT, self._normalise(self.slope[..., None] * u))
        return pulled + u if self.skip else pulled

    def _normalise(self, v: Tensor) -> Tensor:
        """N v; N is symmetric."""
        if self.normal is None:
            return v
        y, reciprocal = self.normal[0][..., None], self.normal[1][..., None]
        return reciprocal * (v - v.mean(-2, keepdim=True) - y * (y * v).mean(-2, keepdim=True))


class Pass:
    """The results of one pass, for every layer with weights from the first to the last.

    Attributes:
        z: z^[l], (R, batch, n).
        delta: dC/dz^[l] of the mean cost, (R, batch, n); empty without a backward pass.
        single: whether the network itself has no run axis.
    """

    def __init__(self, net: MLP, records: Sequence[LayerRecord], with_delta: bool) -> None:
        self._net = net
        self.single = net.runs is None
        self.z = [self._stacked(record.z) for record in records]
        self.delta = [self._stacked(record.delta) for record in records] if with_delta else []

    @cached_property
    def layers(self) -> list[LinearLayer]:
        """The linear maps; computed on demand, because they need a copy of every weight."""
        with torch.no_grad():
            return [
                _linear(layer, z, self._stacked(layer.weight), self._net.skips(k))
                for k, (layer, z) in enumerate(zip(self._net.dense_layers, self.z, strict=True))
            ]

    def shaped(self, result: Tensor, axis: int) -> Tensor:
        """The result without its run axis, if the network has none."""
        return result.squeeze(axis) if self.single else result

    def _stacked(self, part: Tensor) -> Tensor:
        return part.detach()[None] if self.single else part.detach()


def forward(net: MLP, x: Float[Tensor, "*batch n_in"]) -> Pass:
    """Run the network on x; no gradients are kept, no random numbers drawn."""
    with torch.no_grad():
        _, records = net.recorded_forward(x)
    return Pass(net, records, with_delta=False)


def forward_and_backward(
    net: MLP, x: Float[Tensor, "*batch n_in"], t: Num[Tensor, "..."], loss: Loss
) -> Pass:
    """Run the network and its own backward pass, which gives delta; ``.grad`` is not changed."""
    with torch.enable_grad():
        outputs, records = net.recorded_forward(x)
        torch.autograd.grad(loss(outputs, t).sum(), net.weights)
    return Pass(net, records, with_delta=True)


def require_plain(net: MLP, what: str) -> None:
    """Refuse a network with skips or normalisation in a probe that is defined for layers D W only.

    Raises:
        ValueError: the message names alternatives.
    """
    if not net.plain:
        raise ValueError(
            describe(
                f"skip={net.skip}, normalize={net.normalize}",
                f"a plain network for {what}",
                "measure gradient_ratio or the singular values, which support skips and norms",
            )
        )


def _linear(layer: Dense, z: Tensor, weight: Tensor, skip: bool) -> LinearLayer:
    if not layer.normalize:
        slope = layer.activation.derivative(z)
        return LinearLayer(weight.double(), slope.double(), None, skip)
    y = nn.functional.layer_norm(z, z.shape[-1:])
    # with equal neurons the variance is 0 and GUARD alone determines s
    reciprocal = (z.double().var(-1, correction=0, keepdim=True) + GUARD).rsqrt()
    slope = layer.activation.derivative(y).double()
    return LinearLayer(weight.double(), slope, (y.double(), reciprocal), skip)


def _times(weight: Tensor, v: Tensor) -> Tensor:
    """W v for every example; single columns are multiplied as one matrix, which does not copy W."""
    if v.shape[-1] == 1:
        return (v[..., 0] @ weight.mT)[..., None]
    return weight[:, None] @ v
