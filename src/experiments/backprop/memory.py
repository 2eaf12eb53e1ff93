"""Memory for the z, a, sigma'(z) and delta of every layer, laid out for the recursions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class PassMemory(NamedTuple):
    """What a pass writes in every layer, each (batch, n) or (R, batch, n)."""

    z: list[Tensor]
    a: list[Tensor]
    derivative: list[Tensor]
    delta: list[Tensor]


def reserve(
    like: Tensor,
    shapes: Sequence[tuple[int, ...]],
    linear: Sequence[bool],
    keep: bool,
    sharing: PassMemory | None = None,
) -> PassMemory:
    """Allocate a pass's memory.

    Args:
        like: a tensor of its type and device.
        shapes: of z in every layer.
        linear: whether a layer's activation is the identity.
        keep: whether z and delta of a layer are still needed when the next layer is computed.
        sharing: memory of another pass of the same shapes, whose a and derivative are taken.
    """
    if keep:
        z, delta = _grouped_by_shape(like, shapes), _grouped_by_shape(like, shapes)
    else:
        scratch = like.new_empty(3, max(math.prod(shape) for shape in shapes))
        z = [
            like.new_empty(shape) if is_linear else _view(scratch[2], shape)
            for shape, is_linear in zip(shapes, linear, strict=True)
        ]
        # two are enough: the recursion reads the delta of one layer and writes the one below
        delta = [_view(scratch[k % 2], shape) for k, shape in enumerate(shapes)]
    # matrix products with few columns are slow, so the few outputs are stored column by column
    *runs, batch, n_out = shapes[-1]
    column_major = like.new_empty(2, *runs, n_out, batch).mT
    z[-1], delta[-1] = column_major.unbind()
    activations = sharing.a if sharing else _grouped_by_shape(like, shapes)
    derivative = sharing.derivative if sharing else _grouped_by_shape(like, shapes)
    # a linear layer needs no copy of z for a, and its derivative is constant
    a = [
        own if is_linear else other
        for own, other, is_linear in zip(z, activations, linear, strict=True)
    ]
    for slope, is_linear in zip(derivative, linear, strict=True):
        if is_linear:
            slope.fill_(1.0)
    return PassMemory(z, a, derivative, delta)


def _grouped_by_shape(like: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """One tensor per layer; layers of the same shape share one block, so that it can be read at once."""
    tensors: dict[int, Tensor] = {}
    for shape in set(shapes):
        layers = [k for k, other in enumerate(shapes) if other == shape]
        tensors.update(zip(layers, like.new_empty(len(layers), *shape), strict=True))
    return [tensors[k] for k in range(len(shapes))]


def _view(memory: Tensor, shape: tuple[int, ...]) -> Tensor:
    return memory[: math.prod(shape)].view(shape)
