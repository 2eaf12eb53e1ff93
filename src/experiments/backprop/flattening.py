"""A network with all parameters in one buffer, so that an update is a single operation."""

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
        bias_gradients: views of ``gradients``, in the shapes of b^[l].
        weight_count: number of weights in a row.
    """

    values: Tensor
    gradients: Tensor
    weight_gradients: list[Tensor]
    bias_gradients: list[Tensor]
    weight_count: int


@contextmanager
def flattened(net: MLP) -> Iterator[FlatNetwork]:
    """Move the parameters into one buffer, and their updated values back at the end of the block."""
    parameters = [*net.weights, *net.biases]
    axis = 0 if net.runs is None else 1
    shapes = [parameter.shape[axis:] for parameter in parameters]
    originals = [parameter.data for parameter in parameters]
    values = torch.cat([original.flatten(axis) for original in originals], dim=-1)
    gradients = torch.zeros_like(values)
    count = len(net.weights)
    gradient_views = _cut(gradients, shapes)
    for parameter, view in zip(parameters, _cut(values, shapes), strict=True):
        parameter.data = view
    try:
        yield FlatNetwork(
            values,
            gradients,
            gradient_views[:count],
            gradient_views[count:],
            weight_count=sum(math.prod(shape) for shape in shapes[:count]),
        )
    finally:
        for parameter, original in zip(parameters, originals, strict=True):
            parameter.data = original.copy_(parameter.data)


def _cut(buffer: Tensor, shapes: list[torch.Size]) -> list[Tensor]:
    """Views of consecutive parts of every row."""
    parts = buffer.split([math.prod(shape) for shape in shapes], dim=-1)
    return [part.unflatten(-1, shape) for part, shape in zip(parts, shapes, strict=True)]
