r"""The correlation map and its fixed point: how the angle between two inputs evolves with depth.

::

    c' = (sigma_w^2 E[phi(u) phi(v)] + sigma_b^2) / V(q) = 1 - sigma_w^2 E[(phi(u) - phi(v))^2] / (2 V(q))
    dc'/dc = sigma_w^2 E[phi'(u) phi'(v)] q / V(q)

for u, v of variance q and correlation c; at the fixed length V(q) = q. On [0, 1] the map is a power
series in c without negative terms (Mehler), hence convex, and c' = 1 at c = 1. So c* = 1 is attractive
if the slope there, chi, is at most 1. Otherwise there is exactly one other fixed point, in [0, 1), which
is attractive.

The equation is solved for e = 1 - c in the form (1 - c') / e = 1, which is well conditioned however close
the fixed point is to 1.

References:
    Poole et al. (2016); Daniely, Frostig & Singer (2016) for the power series.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.theory.quadrature import COARSE, FINE, ROUNDING, Quadrature

MAX_STEPS = 40


def fixed_decorrelation(
    quadrature: Quadrature,
    q: Float64[Tensor, " points"],
    gain: Float64[Tensor, " points"],
    tolerance: Float64[Tensor, " points"],
) -> tuple[Float64[Tensor, " points"], Float64[Tensor, " points"]]:
    """1 - c* and the slope of the correlation map at c*.

    Args:
        quadrature: of the activation.
        q: variance of the pre-activations, above 0.
        gain: sigma_w^2 q / V(q); at a fixed length, sigma_w^2.
        tolerance: a slope at c = 1 that exceeds 1 by no more than this counts as 1.
    """
    slope = gain * quadrature.single(q).slope
    decorrelation = torch.zeros_like(q)
    chaotic = slope > 1 + tolerance
    if chaotic.any():
        q, gain, top = q[chaotic], gain[chaotic], slope[chaotic]
        guess = (top - 1).clamp(1e-9, 0.5)
        for nodes, settled in ((COARSE, 1e-5), (FINE, 1e-6)):
            guess, at_fixed_point = _solve(quadrature, q, gain, top - 1, guess, nodes, settled)
        decorrelation[chaotic], slope[chaotic] = guess, at_fixed_point
    return decorrelation, slope


def _solve(
    quadrature: Quadrature,
    q: Tensor,
    gain: Tensor,
    excess_at_zero: Tensor,
    start: Tensor,
    nodes: int,
    settled: float,
) -> tuple[Tensor, Tensor]:
    """Newton's method on h(e) = (1 - c') / e = 1.

    h is convex and falls from chi at e = 0, so Newton steps from the left never pass the root. A step
    from the right that leaves the bracket is replaced by a quarter of the step along the chord.
    """
    e = start
    small, large = torch.zeros_like(q), torch.ones_like(q)
    for _ in range(MAX_STEPS):
        average = quadrature.pair(q, e, nodes)
        excess = gain * average.distance / (2 * q * e) - 1
        slope = gain * average.slope
        above = excess > 0
        small, large = torch.where(above, e, small), torch.where(above, large, e)
        newton = e - excess * e / (slope - 1 - excess)
        chord = e * excess_at_zero / (excess_at_zero - excess)
        moved = torch.where(
            newton > small, newton, torch.maximum(chord / 4, (small * large).sqrt())
        )
        moved = moved.clamp(max=1.0)
        done = ((moved - e).abs() <= settled * e) | (excess.abs() < ROUNDING / 10)
        e = moved
        if done.all():
            break
    return e, gain * quadrature.pair(q, e, nodes).slope
