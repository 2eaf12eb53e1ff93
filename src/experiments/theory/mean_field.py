r"""Mean field: lengths, angles and gradients in an infinitely wide network.

With sigma_w^2 = n_{l-1} Var W, sigma_b^2 = Var b and u ~ N(0, q)::

    length map         q'  = sigma_w^2 E[phi(u)^2] + sigma_b^2              fixed point q*
    correlation map    c'  = (sigma_w^2 E[phi(u) phi(v)] + sigma_b^2) / q*  fixed point c*
    gradient factor    chi = sigma_w^2 E[phi'(u)^2]:  E||delta^[l]||^2 = chi E||delta^[l+1]||^2
    depth scales       1 / xi_q        = -ln |dq'/dq|                       at q*
                       1 / xi_c        = -ln (sigma_w^2 E[phi'(u) phi'(v)]) at c*
                       1 / xi_gradient = -ln chi                            negative: it explodes

chi < 1 is the ordered phase (c* = 1, gradients vanish), chi > 1 the chaotic one (c* < 1, gradients
explode). No second derivative is needed: dq'/dq = sigma_w^2 E[u phi phi'] / q, and
1 - c' = sigma_w^2 E[(phi(u) - phi(v))^2] / (2 q*), which keeps its digits near c = 1.

Validity: widths large against depth, independent centred weights, equal hidden widths.

References:
    Poole et al. (2016); Schoenholz, Gilmer, Ganguli & Sohl-Dickstein (2017).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.theory.correlation import fixed_decorrelation
from experiments.theory.criticality import NoCriticalPointError, critical_line, critical_sigma_w
from experiments.theory.length import LARGEST_SCALE, fixed_lengths
from experiments.theory.quadrature import ROUNDING, Quadrature, Scale, ValueAndDerivative

__all__ = [
    "FixedPoint",
    "NoCriticalPointError",
    "PhaseDiagram",
    "correlation_map",
    "critical_line",
    "critical_sigma_w",
    "fixed_point",
    "length_map",
    "phase_diagram",
    "slope",
]

#: Largest distance of the averages at the largest length from their limits at infinity.
LIMIT = 1e-10

Phase = Literal["ordered", "critical", "chaotic"]


@dataclass(frozen=True)
class FixedPoint:
    """The limit of large depth at one (sigma_w, sigma_b).

    Attributes:
        q: variance of the pre-activations; ``inf`` where the length map diverges.
        chi: factor on the mean squared gradient per layer.
        xi_q: layers in which a deviation from q shrinks by a factor e; negative where it grows.
        c: correlation to which any two inputs converge, from 0 to 1.
        xi_c: layers in which a deviation from c shrinks by a factor e; ``inf`` on the critical line.
        xi_gradient: layers in which the mean squared gradient shrinks by a factor e; negative where it
            grows.
        diverges: whether the length grows without bound; the other numbers are then their limits. At
            q = 0 (sigma_b = 0, small sigma_w) they are the limits for small sigma_b.
    """

    q: float
    chi: float
    xi_q: float
    c: float
    xi_c: float
    xi_gradient: float
    diverges: bool

    @property
    def phase(self) -> Phase:
        """Ordered, critical (chi = 1 to ten digits) or chaotic."""
        if abs(self.chi - 1) < 1e-10:
            return "critical"
        return "ordered" if self.chi < 1 else "chaotic"

    @property
    def factor(self) -> float:
        """sqrt(chi): factor on the *norm* of the gradient per layer."""
        return math.sqrt(self.chi)


@dataclass(frozen=True)
class PhaseDiagram:
    """The fields of FixedPoint on a grid; rows are sigma_b, columns sigma_w. No entry is NaN."""

    sigma_w: Float64[Tensor, " columns"]
    sigma_b: Float64[Tensor, " rows"]
    q: Float64[Tensor, "rows columns"]
    chi: Float64[Tensor, "rows columns"]
    xi_q: Float64[Tensor, "rows columns"]
    c: Float64[Tensor, "rows columns"]
    xi_c: Float64[Tensor, "rows columns"]
    xi_gradient: Float64[Tensor, "rows columns"]
    diverges: Bool[Tensor, "rows columns"]


def fixed_point(activation: ValueAndDerivative, sigma_w: Scale, sigma_b: Scale) -> FixedPoint:
    """q*, c*, chi and the three depth scales, to 1e-8 relative or better.

    Args:
        activation: ``value`` and ``derivative`` are used; declaring ``kinks`` saves a search for them.
        sigma_w: sqrt(n_{l-1} Var W), above 0.
        sigma_b: standard deviation of a bias, >= 0.

    Raises:
        ConfigurationError: for sigma_w <= 0, sigma_b < 0, a value above 1e12, or an activation that is
            not finite in the range of the pre-activations.

    Example:
        ReLU in closed form: q = sigma_b^2 / (1 - sigma_w^2 / 2), chi = sigma_w^2 / 2.

        >>> from experiments.activations import ReLU
        >>> point = fixed_point(ReLU(), 1.5**0.5, 0.05**0.5)
        >>> round(point.q, 10), round(point.chi, 10), round(point.xi_c, 6)
        (0.2, 0.75, 3.476059)

    References:
        Schoenholz et al. (2017).
    """
    columns = _solve(Quadrature(activation), *_scales([sigma_w], [sigma_b]))
    q, chi, xi_q, c, xi_c, xi_gradient, diverges = (column.item() for column in columns)
    return FixedPoint(q, chi, xi_q, c, xi_c, xi_gradient, bool(diverges))


def phase_diagram(
    activation: ValueAndDerivative, sigma_w: Sequence[Scale], sigma_b: Sequence[Scale]
) -> PhaseDiagram:
    """Every field of ``fixed_point`` for all pairs (sigma_w, sigma_b), computed together.

    Example:
        >>> from experiments.activations import Tanh
        >>> phase_diagram(Tanh(), sigma_w=[1.0, 2.0, 3.0], sigma_b=[0.1, 0.5]).q.shape
        torch.Size([2, 3])
    """
    w, b = _scales(sigma_w, sigma_b)
    rows, columns = torch.meshgrid(b, w, indexing="ij")
    fields = _solve(Quadrature(activation), columns.flatten(), rows.flatten())
    return PhaseDiagram(w, b, *(field.reshape(rows.shape) for field in fields))


def length_map(
    activation: ValueAndDerivative, q: Sequence[Scale], sigma_w: Scale, sigma_b: Scale
) -> Float64[Tensor, " points"]:
    """V(q) = sigma_w^2 E[phi(u)^2] + sigma_b^2 for every q > 0.

    Raises:
        ConfigurationError: for a q that is not a finite number above 0, and as ``fixed_point``.
    """
    w, b = _scales([sigma_w], [sigma_b])
    return w**2 * Quadrature(activation).single(_variances(q)).second_moment + b**2


def slope(activation: ValueAndDerivative, q: Sequence[Scale]) -> Float64[Tensor, " points"]:
    """E[phi'(u)^2] for every q > 0: chi is sigma_w^2 times this.

    Raises:
        ConfigurationError: for a q that is not a finite number above 0.
    """
    return Quadrature(activation).single(_variances(q)).slope


def correlation_map(
    activation: ValueAndDerivative,
    c: Sequence[Scale],
    sigma_w: Scale,
    sigma_b: Scale,
    q: Scale | None = None,
) -> Float64[Tensor, " points"]:
    """c' for every c in [-1, 1], at the fixed length or at a given q.

    Raises:
        ConfigurationError: for |c| > 1, or where no q is given and q* is 0 or infinite.

    Example:
        He's initialisation turns orthogonal inputs into a correlation of 1 / pi:

        >>> from experiments.activations import ReLU
        >>> correlation_map(ReLU(), [0.0], 2**0.5, 0.0)
        tensor([0.3183], dtype=torch.float64)
    """
    w, b = _scales([sigma_w], [sigma_b])
    correlations = torch.as_tensor(c, dtype=torch.float64)
    if not bool((correlations.abs() <= 1).all()):
        raise ConfigurationError(describe(f"c={c}", "correlations in [-1, 1]", "clip them"))
    quadrature = Quadrature(activation)
    variance = (
        fixed_lengths(quadrature, w**2, b**2).q
        if q is None
        else torch.tensor([q], dtype=torch.float64)
    )
    if not 0 < float(variance) < math.inf:
        raise ConfigurationError(
            describe(f"q={float(variance)}", "a finite length above 0", "give q, such as q=1.0")
        )
    second = w**2 * quadrature.single(variance).second_moment
    mapped = torch.empty_like(correlations)
    for mirrored in (False, True):
        chosen = (correlations < 0) == mirrored
        if chosen.any():
            decorrelation = 1 - correlations[chosen].abs()
            q_each = variance.expand(len(decorrelation))
            distance = quadrature.pair(q_each, decorrelation, mirrored=mirrored).distance
            mapped[chosen] = 1 - w**2 * distance / (2 * (second + b**2))
    return mapped


def _scales(sigma_w: Sequence[Scale], sigma_b: Sequence[Scale]) -> tuple[Tensor, Tensor]:
    w, b = (torch.as_tensor(s, dtype=torch.float64) for s in (sigma_w, sigma_b))
    for name, scale, valid, lower_bound in (
        ("sigma_w", w, (w > 0) & (w <= LARGEST_SCALE), "above 0"),
        ("sigma_b", b, (b >= 0) & (b <= LARGEST_SCALE), "of 0 or more"),
    ):
        if not bool(valid.all()):
            raise ConfigurationError(
                describe(
                    f"{name}={scale[~valid][0].item()}",
                    f"a number {lower_bound} and at most {LARGEST_SCALE:g}",
                    f"{name} is a standard deviation, not a variance: give {name}=1.0, say",
                )
            )
    return w, b


def _variances(q: Sequence[Scale]) -> Tensor:
    variances = torch.as_tensor(q, dtype=torch.float64)
    if not len(variances) or not bool(((variances > 0) & variances.isfinite()).all()):
        raise ConfigurationError(
            describe(f"q={q}", "one or more finite variances above 0", "give q=[1.0], say")
        )
    return variances


def _solve(quadrature: Quadrature, sigma_w: Tensor, sigma_b: Tensor) -> tuple[Tensor, ...]:
    """The fields of FixedPoint, in order."""
    weight_variance, bias_variance = sigma_w**2, sigma_b**2
    length = fixed_lengths(quadrature, weight_variance, bias_variance)
    average = quadrature.single(length.probe)
    chi = weight_variance * average.slope
    # a length that diverges still grows at the probe: normalise by the next length, and treat the
    # distance of the probe's averages from their limits as rounding
    next_length = weight_variance * average.second_moment + bias_variance
    gain = weight_variance * torch.where(length.diverges, length.probe / next_length, 1.0)
    tolerance = torch.where(length.diverges, torch.full_like(chi, LIMIT), ROUNDING)
    decorrelation, c_slope = fixed_decorrelation(quadrature, length.probe, gain, tolerance)
    return (
        length.q,
        chi,
        _depth_scale(length.slope, tolerance),
        1 - decorrelation,
        _depth_scale(c_slope, tolerance),
        _depth_scale(chi, tolerance),
        length.diverges,
    )


def _depth_scale(factor: Tensor, tolerance: Tensor) -> Tensor:
    """-1 / ln |factor|, and inf where the factor is 1 up to the tolerance."""
    logarithm = factor.abs().log()
    return torch.where(logarithm.abs() < tolerance, math.inf, -1 / logarithm)
