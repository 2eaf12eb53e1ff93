"""Directions of vectors of any length: the squares of their entries need not be floats."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor


def direction(rows: Float[Tensor, "*batch n"]) -> Float64[Tensor, "*batch n"]:
    """v / |v| of every row v; NaN for a row that is all 0 or not finite.

    Divided by the largest entry first, because the square of 1e-200 is 0.

    Example:
        >>> direction(torch.tensor([3e-200, 4e-200], dtype=torch.float64))
        tensor([0.6000, 0.8000], dtype=torch.float64)
    """
    rows = rows.double() / rows.abs().amax(-1, keepdim=True)
    unit: Tensor = rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return unit
