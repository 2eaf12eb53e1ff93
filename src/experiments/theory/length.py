r"""The length map and its fixed point: how the variance of the pre-activations evolves with depth.

::

    V(q) = sigma_w^2 E[phi(u)^2] + sigma_b^2,   u ~ N(0, q);        q* = V(q*)

q* is the fixed point to which iterating V from q = 1, a standardised signal, converges: the nearest
crossing above 1 if V(1) > 1, the nearest below 1 if V(1) < 1, and 1 itself if V(1) = 1 (ReLU at
sigma_w^2 = 2 keeps every length). If V(q) > q up to q = 1e24, the length counts as divergent.

References:
    Poole et al. (2016).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from experiments.theory.quadrature import ROUNDING, Quadrature

#: Range in which q is searched.
SMALLEST, LARGEST = 1e-30, 1e24
#: Largest sigma_w and sigma_b; larger ones lead to lengths outside of the range.
LARGEST_SCALE = math.sqrt(LARGEST)
#: Ratio of neighbouring q in the table of V, and number of steps that are evaluated at once.
RATIO, BLOCK = 2.0**0.5, 16
#: Newton's method stops when no point changes by more than this relative amount.
SETTLED, MAX_STEPS = 1e-12, 64


class Length(NamedTuple):
    """q* of every point.

    ``probe`` is the variance at which averages are taken: q*, or a value close to the limit where q* is
    0 or infinite. ``slope`` is V'(probe).
    """

    q: Float64[Tensor, " points"]
    probe: Float64[Tensor, " points"]
    slope: Float64[Tensor, " points"]
    diverges: Bool[Tensor, " points"]


class _Scan(NamedTuple):
    near: Tensor
    far: Tensor
    unfinished: Tensor
    reached: float


def fixed_lengths(
    quadrature: Quadrature,
    weight_variance: Float64[Tensor, " points"],
    bias_variance: Float64[Tensor, " points"],
) -> Length:
    """q* for every pair (sigma_w^2, sigma_b^2).

    Raises:
        ConfigurationError: if the search reaches pre-activations at which phi is NaN.
    """

    def excess(q: Tensor) -> Tensor:
        """V(q) / q - 1, (points, q)."""
        moment = quadrature.single(q).second_moment
        return (weight_variance[:, None] * moment + bias_variance[:, None]) / q - 1

    start = excess(torch.ones(1, dtype=torch.float64))[:, 0]
    up = _scan(excess, start > ROUNDING, RATIO, min(LARGEST, quadrature.ceiling))
    down = _scan(excess, start < -ROUNDING, 1 / RATIO, SMALLEST)
    if up.unfinished.any() and up.reached < LARGEST and not quadrature.overflows:
        raise quadrature.undefined()

    q = _refine(
        quadrature,
        weight_variance,
        bias_variance,
        torch.minimum(torch.minimum(up.near, up.far), down.far),
        torch.maximum(torch.maximum(up.near, up.far), down.near),
    )
    q = torch.where(up.unfinished, up.reached, torch.where(down.unfinished, down.reached, q))
    slope = length_slope(quadrature, q, weight_variance)
    at_zero = weight_variance * quadrature.value_at_zero**2 + bias_variance
    # V is linear below the smallest q of the table
    tiny = torch.where(at_zero > 0, at_zero / (1 - slope), 0.0)
    return Length(
        q=torch.where(up.unfinished, math.inf, torch.where(down.unfinished, tiny, q)),
        probe=q,
        slope=slope,
        diverges=up.unfinished,
    )


def length_slope(
    quadrature: Quadrature,
    q: Float64[Tensor, " points"],
    weight_variance: Float64[Tensor, " points"],
) -> Float64[Tensor, " points"]:
    """V'(q) = sigma_w^2 E[u phi(u) phi'(u)] / q, which is chi + sigma_w^2 E[phi phi'']."""
    return weight_variance * quadrature.single(q).growth / q


def _scan(excess: Callable[[Tensor], Tensor], active: Tensor, ratio: float, stop: float) -> _Scan:
    """Step away from q = 1 until V(q) crosses q; the last step before and the first one after."""
    near, far = torch.ones(len(active)).double(), torch.ones(len(active)).double()
    reached, unfinished = 1.0, active.clone()
    direction = 1.0 if ratio > 1 else -1.0
    while unfinished.any() and direction * (stop - reached) > 0:
        table = reached * ratio ** torch.arange(BLOCK + 1, dtype=torch.float64)
        table = table.clamp(max=stop) if ratio > 1 else table.clamp(min=stop)
        crossed = direction * excess(table) < -ROUNDING
        hit, first = unfinished & crossed.any(1), crossed.int().argmax(1)
        near = torch.where(hit, table[(first - 1).clamp(min=0)], near)
        far = torch.where(hit, table[first], far)
        unfinished = unfinished & ~hit
        reached = float(table[-1])
    return _Scan(near, far, unfinished, reached)


def _refine(
    quadrature: Quadrature,
    weight_variance: Tensor,
    bias_variance: Tensor,
    low: Tensor,
    high: Tensor,
) -> Tensor:
    """Newton's method on V(q) - q, kept inside the bracket V(low) >= low, V(high) <= high."""
    q = (low * high).sqrt()
    for _ in range(MAX_STEPS):
        average = quadrature.single(q)
        excess = weight_variance * average.second_moment + bias_variance - q
        low, high = torch.where(excess > 0, q, low), torch.where(excess > 0, high, q)
        step = q - excess / (weight_variance * average.growth / q - 1)
        settled = (step - q).abs() <= SETTLED * q
        inside = settled | ((step > low) & (step < high))
        q = torch.where(inside, step, (low * high).sqrt())
        if settled.all():
            break
    return q
