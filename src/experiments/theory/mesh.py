r"""The mesh of one activation: the points at which a quadrature must be split.

A panel is accurate if Gauss-Legendre on the panel and on its two halves agree for phi^2 and phi'^2.
Other panels are halved. A sequence of halvings that converges to a point reveals an undeclared kink; that
point then becomes the end of a panel.
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
#: A panel that must be halved down to this width contains a kink.
KINK_WIDTH = 2.0**-20
MAX_HALVINGS = 60
#: Deliberately odd numbers, so that a kink at a round number does not coincide with a panel's end.
FIRST_PANEL, OFF_CENTRE = 1.93, 0.4871
MAX_PANELS = 2048


class Mesh(NamedTuple):
    """Ends of the panels, and the points among them at which the integrands are not smooth."""

    ends: Float64[Tensor, " ends"]
    kinks: Float64[Tensor, " kinks"]


def mesh(integrands: Integrands, kinks: Sequence[float], reach: float) -> Mesh:
    """The panels that resolve the integrands on [-reach, reach].

    Args:
        integrands: phi^2 and phi'^2, as rows.
        kinks: where phi' or phi'' is known to jump.
        reach: half the length of the interval, above 0.

    Raises:
        ConfigurationError: for integrands that are not finite, or not smooth enough to be resolved.

    Example:
        An undeclared jump at 1 is detected:

        >>> result = mesh(lambda u: (u > 1).double()[None], (), 4.0)
        >>> bool((result.kinks - 1).abs().min() < 1e-10)
        True
    """
    ends, detected = _refine(integrands, _graded((0.0, *kinks), reach))
    if detected:
        ends, _ = _refine(integrands, _graded((0.0, *kinks, *detected), reach))
    return Mesh(ends, torch.tensor([*kinks, *detected], dtype=torch.float64))


def _graded(points: Sequence[float], reach: float) -> Tensor:
    """Panels that grow by a factor 4 away from every point."""
    offsets = [o for o in (FIRST_PANEL * 4.0**k for k in range(60)) if o < reach]
    ends = {-reach, reach}
    for point in points:
        ends |= {point, *(point + o for o in offsets), *(point - o for o in offsets)}
    return torch.tensor(sorted(e for e in ends if abs(e) <= reach), dtype=torch.float64)


def _refine(integrands: Integrands, ends: Tensor) -> tuple[Tensor, list[float]]:
    """Halve panels until all are accurate; also return the points where halving reached ``KINK_WIDTH``."""
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
                    f"an activation that is not resolved by {MAX_PANELS} panels on "
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
    """The end of each sequence of halvings: its last, narrowest panel."""
    ends = list[float]()
    for point in reversed(trail):
        if all(abs(point - other) > 2 * KINK_WIDTH for other in ends):
            ends.append(point)
    return ends


def _mass_within(integrals: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Integral over [-r, r] for the outer end r of every panel, the scale for the error of that panel."""
    radius, outwards = torch.maximum(low.abs(), high.abs()).sort(stable=True)
    total = integrals[:, outwards].cumsum(1)
    # panels of equal radius include each other
    last = torch.searchsorted(radius, radius, right=True) - 1
    mass = torch.empty_like(integrals)
    mass[:, outwards] = total[:, last]
    return mass


def _integrate(integrands: Integrands, low: Tensor, high: Tensor) -> Tensor:
    """The integral of every function over every panel, (functions, panels)."""
    x, w = gauss_legendre(NODES)
    half = (high - low) / 2
    u = (low + high)[:, None] / 2 + half[:, None] * x
    values = integrands(u.flatten())
    if not torch.isfinite(values).all():
        where = float(u.flatten()[~torch.isfinite(values).all(0)][0])
        raise ConfigurationError(
            describe(
                f"an activation that is not finite at z = {where:.6g}",
                "a finite value and derivative wherever a pre-activation may fall",
                "define it there, or choose an activation that is defined everywhere",
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
