"""A network whose parameters lie in one buffer for a while: an update is then one operation."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.models import MLP


@dataclass(frozen=True)
class FlatNetwork:
    """Parameters and gradients as one row per run: W^[2] .. W^[L], then b^[2] .. b^[L].

    Attributes:
        values: (P,) or (R, P); the network's parameters are views of it.
        gradients: the same shape.
        weight_gradients: views of ``gradients``, in the shapes of W^[l].
        bias_gradients: likewise, of b^[l].
        weight_count: how many numbers of a row are weights.
    """

    values: Tensor
    gradients: Tensor
    weight_gradients: list[Tensor]
    bias_gradients: list[Tensor]
    weight_count: int


@contextmanager
def flattened(net: MLP) -> Iterator[FlatNetwork]:
    """Lay the parameters into one buffer; afterwards they are back in their own memory, updated."""
    parameters = [*net.weights, *net.biases]
    axis = 0 if net.runs is None else 1
    shapes = [parameter.shape[axis:] for parameter in parameters]
    homes = [parameter.data for parameter in parameters]
    values = torch.cat([home.flatten(axis) for home in homes], dim=-1)
    gradients = torch.zeros_like(values)
    depth = len(net.weights)
    into = _cut(gradients, shapes)
    for parameter, view in zip(parameters, _cut(values, shapes), strict=True):
        parameter.data = view
    try:
        yield FlatNetwork(
            values,
            gradients,
            into[:depth],
            into[depth:],
            weight_count=sum(math.prod(shape) for shape in shapes[:depth]),
        )
    finally:
        for parameter, home in zip(parameters, homes, strict=True):
            parameter.data = home.copy_(parameter.data)


def _cut(buffer: Tensor, shapes: list[torch.Size]) -> list[Tensor]:
    """Views of consecutive parts of every row."""
    parts = buffer.split([math.prod(shape) for shape in shapes], dim=-1)
    return [part.unflatten(-1, shape) for part, shape in zip(parts, shapes, strict=True)]
