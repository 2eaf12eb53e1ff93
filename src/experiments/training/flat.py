"""All parameters of a stack in one buffer (R, P): one update is one kernel, whatever the depth."""

import math

import torch
from torch import Tensor, nn

from experiments.models import MLP


class FlatParameters:
    """Moves a stack's parameters and gradients into two buffers and leaves views in the network.

    Layout of a row (one run): W^[2], ..., W^[L], b^[2], ..., b^[L]; the first ``weight_count``
    numbers are weights, which is where penalties act.

    Attributes:
        values: (R, P), every parameter of every run.
        gradients: (R, P), where an engine puts dC/dW and dC/db.
    """

    def __init__(self, net: MLP) -> None:
        self.net = net
        shapes = [(layer.out_features, layer.in_features) for layer in net.dense_layers]
        self._weight_shapes: list[tuple[int, ...]] = [*shapes]
        self._bias_shapes: list[tuple[int, ...]] = [(n,) for n, _ in shapes]
        self.weight_count = sum(n * n_prev for n, n_prev in shapes)
        self._adopt(torch.cat([p.detach().flatten(1) for p in (*net.weights, *net.biases)], dim=1))

    def select(self, keep: Tensor) -> None:
        """Keep only some runs: the others' share of the buffers is freed."""
        self._adopt(self.values[keep])

    def views_of(self, buffer: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Any (R, P) buffer cut into layers: weights (R, n, n_prev), and biases (R, n)."""
        weights = _cut(buffer, self._weight_shapes, 0)
        return weights, _cut(buffer, self._bias_shapes, self.weight_count)

    def state_of(self, run: int) -> dict[str, Tensor]:
        """The state_dict that an MLP of this run alone would have, on the CPU."""
        state = {}
        for k, (weight, bias) in enumerate(zip(self.weight_views, self.bias_views, strict=True)):
            state[f"layers.{k}.weight"] = weight[run].detach().cpu().clone()
            state[f"layers.{k}.bias"] = bias[run].detach().cpu().clone()
        return state

    def _adopt(self, values: Tensor) -> None:
        self.values = values.contiguous()
        self.gradients = torch.zeros_like(self.values)
        self.weight_views, self.bias_views = self.views_of(self.values)
        self.weight_gradient_views, self.bias_gradient_views = self.views_of(self.gradients)
        self.net.runs = len(values)
        for k, layer in enumerate(self.net.dense_layers):
            layer.runs = len(values)
            layer.weight = nn.Parameter(self.weight_views[k])
            layer.bias = nn.Parameter(self.bias_views[k])


def _cut(buffer: Tensor, shapes: list[tuple[int, ...]], offset: int) -> list[Tensor]:
    """Views of consecutive parts of every row, in the given shapes."""
    parts = []
    for shape in shapes:
        stop = offset + math.prod(shape)
        parts.append(buffer[:, offset:stop].view(len(buffer), *shape))
        offset = stop
    return parts
