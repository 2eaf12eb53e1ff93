r"""Where a quadrature must be split: the mesh of one activation.

A panel is good when Gauss-Legendre on the whole of it and on its two halves agree for phi^2 and
phi'^2. Bad panels are halved. A trail of halvings that runs down to a point betrays a kink that
nobody declared; the point then becomes a break of its own.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe

#: u (n,) -> (functions, n), all non-negative
Integrands = Callable[[Tensor], Tensor]

NODES = 16
TOLERANCE = 1e-13
#: A panel that had to become this narrow holds a kink.
KINK_WIDTH = 2.0**-20
MAX_HALVINGS = 60
#: Odd numbers on purpose: a kink at a round number must not hide at the end of a panel.
FIRST_PANEL, OFF_CENTRE = 1.93, 0.4871
MAX_PANELS = 2048


class Mesh(NamedTuple):
    """Ends of the panels, and those of them at which the integrands are not smooth."""

    ends: Float64[Tensor, " ends"]
    kinks: Float64[Tensor, " kinks"]


def mesh(integrands: Integrands, kinks: Sequence[float], reach: float) -> Mesh:
    """The panels that resolve the integrands on [-reach, reach].

    Args:
        integrands: phi^2 and phi'^2, as rows.
        kinks: where phi' or phi'' is known to jump.
        reach: how far the quadrature will look, above 0.

    Raises:
        ConfigurationError: for integrands that are not finite, or too rough to be resolved.

    Example:
        An undeclared corner at 1 is found:

        >>> found = mesh(lambda u: (u > 1).double()[None], (), 4.0)
        >>> bool((found.kinks - 1).abs().min() < 1e-10)
        True
    """
    ends, found = _refine(integrands, _graded((0.0, *kinks), reach))
    if found:
        ends, _ = _refine(integrands, _graded((0.0, *kinks, *found), reach))
    return Mesh(ends, torch.tensor([*kinks, *found], dtype=torch.float64))


def _graded(points: Sequence[float], reach: float) -> Tensor:
    """Panels that grow fourfold away from every point: fine where things happen, coarse beyond."""
    offsets = [o for o in (FIRST_PANEL * 4.0**k for k in range(60)) if o < reach]
    ends = {-reach, reach}
    for point in points:
        ends |= {point, *(point + o for o in offsets), *(point - o for o in offsets)}
    return torch.tensor(sorted(e for e in ends if abs(e) <= reach), dtype=torch.float64)


def _refine(integrands: Integrands, ends: Tensor) -> tuple[Tensor, list[float]]:
    """Halve until resolved; also the points where halving ran down to ``KINK_WIDTH``."""
    low, high = ends[:-1], ends[1:]
    allowed = TOLERANCE * _mass_within(_integrate(integrands, low, high), low, high)
    splits, trail = [ends], list[float]()
    for _ in range(MAX_HALVINGS):
        middle = low + OFF_CENTRE * (high - low)
        parts = _integrate(integrands, low, middle) + _integrate(integrands, middle, high)
        bad = ((_integrate(integrands, low, high) - parts).abs() > allowed).any(0)
        if not bad.any():
            break
        low, middle, high, allowed = low[bad], middle[bad], high[bad], allowed[:, bad]
        if len(middle) > MAX_PANELS:
            raise ConfigurationError(
                describe(
                    f"an activation that {MAX_PANELS} panels do not resolve on "
                    f"[{float(ends[0]):.3g}, {float(ends[-1]):.3g}]",
                    "a piecewise smooth function, evaluated in float64",
                    "check that value and derivative keep float64, or lower sigma_w",
                )
            )
        splits.append(middle)
        trail += middle[high - low < KINK_WIDTH].tolist()
        low, high = torch.cat([low, middle]), torch.cat([middle, high])
        allowed = torch.cat([allowed, allowed], dim=1)
    return torch.cat(splits).unique(), _ends_of(trail)


def _ends_of(trail: list[float]) -> list[float]:
    """Where each trail of halvings came to an end: its last, narrowest panel."""
    kept = list[float]()
    for point in reversed(trail):
        if all(abs(point - other) > 2 * KINK_WIDTH for other in kept):
            kept.append(point)
    return kept


def _mass_within(integrals: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Integral over all of [-r, r], r being a panel's outer end: what its error is compared with."""
    radius, outwards = torch.maximum(low.abs(), high.abs()).sort(stable=True)
    total = integrals[:, outwards].cumsum(1)
    # panels of equal radius count for each other
    last = torch.searchsorted(radius, radius, right=True) - 1
    mass = torch.empty_like(integrals)
    mass[:, outwards] = total[:, last]
    return mass


def _integrate(integrands: Integrands, low: Tensor, high: Tensor) -> Tensor:
    """(functions, panels)."""
    x, w = gauss_legendre(NODES)
    half = (high - low) / 2
    u = (low + high)[:, None] / 2 + half[:, None] * x
    values = integrands(u.flatten())
    if not torch.isfinite(values).all():
        where = float(u.flatten()[~torch.isfinite(values).all(0)][0])
        raise ConfigurationError(
            describe(
                f"an activation that is not finite at z = {where:.6g}",
                "finite value and derivative wherever a pre-activation may fall",
                "give it a value there, or choose an activation that is defined everywhere",
            )
        )
    integrals: Tensor = (values.unflatten(1, u.shape) * w).sum(-1) * half
    return integrals


@cache
def gauss_legendre(nodes: int) -> tuple[Float64[Tensor, " nodes"], Float64[Tensor, " nodes"]]:
    """Nodes and weights on [-1, 1].

    >>> bool((gauss_legendre(5)[1].sum() - 2).abs() < 1e-15)
    True
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    return torch.from_numpy(x), torch.from_numpy(w)
