r"""Gaussian averages of an activation, to about twelve digits.

With u ~ N(0, q), and a pair (u, v) of the same variance q and correlation c::

    single:  E[phi(u)^2],            E[phi'(u)^2],         E[u phi(u) phi'(u)]
    pair:    E[(phi(u) - phi(v))^2], E[phi'(u) phi'(v)],   E[(phi'(u) phi'(v))^2]

Rule: composite Gauss-Legendre. Panels end at the kinks of the activation, declared or detected, on a mesh
that grows away from them, and at fixed multiples of sqrt(q). So neither a kink nor a variance that is much
larger than the scale of the activation costs accuracy; with plain Gauss-Hermite both do.

Pair: for c >= 0 write u = s + t and v = s - t, with independent s and t of variance q (1 + c) / 2 and
q (1 - c) / 2. The inner integral over s is split at every s where u or v is at the end of a panel. The
result is smooth in t > 0 and even, however close to 1 the correlation is. For c < 0, v is mirrored.

References:
    Poole et al. (2016) for the averages.
"""

import math
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.theory.mesh import FIRST_PANEL, Mesh, gauss_legendre, mesh

#: A real number, which may also be passed as an integer.
Scale = float | int

#: Panels end at these multiples of the standard deviation; the mass beyond the last one is 1e-33.
STANDARD_BREAKS = (0.0, 1.5, 3.0, 4.5, 6.0, 9.0, 12.0)
FINE, COARSE = 16, 8
#: A relative difference this small is rounding.
ROUNDING = 1e-13
#: Number of nodes that a pair average holds in memory at once; 100,000 doubles stay in a core's cache.
#: For larger temporaries the system maps and zeroes memory every time, which takes longer than the rest.
CHUNK = 100_000
#: Range of a pair average, in standard deviations: sqrt(2) times that of a single one.
WIDEST = math.sqrt(2) * STANDARD_BREAKS[-1]
#: The largest pre-activation at which the activation is evaluated.
FAR = 2.0**46


@runtime_checkable
class ValueAndDerivative(Protocol):
    """The interface of an activation for the theory: value and derivative, in the tensor's precision.

    An optional attribute ``kinks`` declares the points where phi' or phi'' jumps.
    """

    def value(self, z: Tensor) -> Tensor:
        """phi(z)."""

    def derivative(self, z: Tensor) -> Tensor:
        """phi'(z)."""


class Single(NamedTuple):
    """Averages over one pre-activation."""

    second_moment: Float64[Tensor, " points"]
    slope: Float64[Tensor, " points"]
    growth: Float64[Tensor, " points"]


class Pair(NamedTuple):
    """Averages over two correlated pre-activations."""

    distance: Float64[Tensor, " points"]
    slope: Float64[Tensor, " points"]
    slope_squared: Float64[Tensor, " points"]


class Quadrature:
    """Averages of one activation over Gaussian pre-activations.

    Args:
        activation: anything with ``value`` and ``derivative``.

    Raises:
        ConfigurationError: for an object without ``value`` and ``derivative``.

    Example:
        For ReLU, E[phi(u)^2] = q / 2 and E[phi'(u)^2] = 1 / 2:

        >>> from experiments.activations import ReLU
        >>> average = Quadrature(ReLU()).single(torch.tensor([3.0], dtype=torch.float64))
        >>> round(float(average.second_moment), 12), round(float(average.slope), 12)
        (1.5, 0.5)
    """

    def __init__(self, activation: ValueAndDerivative) -> None:
        if not isinstance(activation, ValueAndDerivative):
            raise ConfigurationError(
                describe(
                    f"activation={activation!r}",
                    "an object with value(z) and derivative(z)",
                    "use one of experiments.activations, or implement both methods",
                )
            )
        self.activation = activation
        self._declared = tuple(float(k) for k in getattr(activation, "kinks", ()))
        self._mesh = Mesh(torch.zeros(0), torch.zeros(0))
        self._reach = 0.0
        self._limit, self._undefined_at = self._finite_reach()
        #: largest variance for which averages exist
        self.ceiling = (self._limit / WIDEST) ** 2
        if self.ceiling < 1:
            raise self.undefined()

    @torch.no_grad()
    def single(self, q: Float64[Tensor, " points"]) -> Single:
        """E[phi^2], E[phi'^2] and E[u phi phi'] with u ~ N(0, q), q > 0."""
        u, weight = self.nodes(q)
        value, derivative = self.activation.value(u), self.activation.derivative(u)
        return Single(
            (weight * value**2).sum(-1),
            (weight * derivative**2).sum(-1),
            (weight * u * value * derivative).sum(-1),
        )

    @torch.no_grad()
    def slope_squared(self, q: Float64[Tensor, " points"]) -> Float64[Tensor, " points"]:
        """E[phi'^4] with u ~ N(0, q), q > 0: it measures how unevenly units pass gradients on."""
        u, weight = self.nodes(q)
        return (weight * self.activation.derivative(u) ** 4).sum(-1)

    def nodes(self, q: Float64[Tensor, " points"]) -> tuple[Tensor, Tensor]:
        """Pre-activations u ~ N(0, q) and their weights, (points, nodes): E[f(u)] = sum weight f(u)."""
        deviation = q.sqrt()[:, None]
        z, weight = _nodes(_with_standard(self._mesh_for(q).ends / deviation), FINE)
        return deviation * z, weight

    @torch.no_grad()
    def pair(
        self,
        q: Float64[Tensor, " points"],
        decorrelation: Float64[Tensor, " points"],
        nodes: int = FINE,
        mirrored: bool = False,
    ) -> Pair:
        """E[(phi(u) - phi(v))^2], E[phi'(u) phi'(v)] and E[(phi'(u) phi'(v))^2], u and v of variance q.

        Args:
            q: common variance of u and v, above 0.
            decorrelation: 1 - |c|, from 0 to 1; used instead of c because it keeps its digits near
                c = 1.
            nodes: nodes per panel, ``FINE`` or ``COARSE``.
            mirrored: whether c < 0.
        """
        ends, outer = self._pair_breaks(q, mirrored)
        held = (len(outer) + 6) * (2 * len(ends) + 12) * nodes**2
        parts = [
            self._pair_part(q_part, e_part, ends, outer, nodes, mirrored)
            for q_part, e_part in zip(
                *(x.split(max(1, CHUNK // held)) for x in (q, decorrelation)), strict=True
            )
        ]
        return Pair(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def _pair_breaks(self, q: Tensor, mirrored: bool) -> tuple[Tensor, Tensor]:
        """Ends of the panels of phi, and the resulting ends of the panels in t."""
        ends, kinks = self._mesh_for(q)
        crossings = (kinks[:, None] + kinks if mirrored else kinks[:, None] - kinks).flatten() / 2
        # a feature of phi appears around t = 0 with the same width
        narrowest = min(ends.diff().tolist(), default=FIRST_PANEL)
        fine = narrowest * 4.0 ** torch.arange(0.0, 20.0, dtype=ends.dtype)
        outer = torch.cat([crossings, ends / 2, fine[fine < FIRST_PANEL]]).abs().unique()
        outer = outer[outer > 0]
        return ends, torch.cat([-outer, outer]) if mirrored else outer

    def _pair_part(
        self,
        q: Tensor,
        decorrelation: Tensor,
        ends: Tensor,
        outer: Tensor,
        nodes: int,
        mirrored: bool,
    ) -> Pair:
        sign = -1.0 if mirrored else 1.0
        s_scale = (q * (1 - decorrelation / 2)).sqrt()[:, None, None]
        t_scale = (q * decorrelation / 2).sqrt()[:, None]
        t, t_weight = _nodes(_with_standard(outer / t_scale, both_sides=mirrored), nodes)
        t, t_weight = (t * t_scale)[..., None], t_weight[..., None]
        inner = torch.cat([ends - t, sign * ends + t], dim=-1) / s_scale
        s, s_weight = _nodes(_with_standard(inner), nodes)
        u, v = s_scale * s + t, sign * (s_scale * s - t)
        weight = s_weight * t_weight * (1.0 if mirrored else 2.0)
        apart = self.activation.value(u) - self.activation.value(v)
        slopes = self.activation.derivative(u) * self.activation.derivative(v)
        return Pair(*((weight * f).sum((-1, -2)) for f in (apart**2, slopes, slopes**2)))

    @property
    def value_at_zero(self) -> float:
        """phi(0)."""
        return float(self.activation.value(torch.zeros(1, dtype=torch.float64)))

    @property
    def overflows(self) -> bool:
        """Whether phi overflows beyond the ceiling, rather than being undefined (NaN) there."""
        beyond = self.activation.value(torch.tensor([self._undefined_at], dtype=torch.float64))
        return not bool(beyond.isnan())

    def undefined(self) -> ConfigurationError:
        """The error for an activation that is not finite in the range of the pre-activations."""
        return ConfigurationError(
            describe(
                f"an activation that is not finite at z = {self._undefined_at:.6g}",
                "a finite value and derivative wherever a pre-activation may fall",
                "define it there, or choose an activation that is defined everywhere",
            )
        )

    def _mesh_for(self, q: Tensor) -> Mesh:
        """The mesh for variances up to max(q); rebuilt sixteen times as wide when it is too small."""
        need = WIDEST * float(q.max().sqrt())
        if need > self._reach:
            self._reach = min(16.0 ** math.ceil(math.log(need, 16)), self._limit)
            self._mesh = mesh(self._integrands, self._declared, self._reach)
        ends, kinks = self._mesh
        return Mesh(ends[ends.abs() < need], kinks)

    @torch.no_grad()
    def _integrands(self, u: Tensor) -> Tensor:
        return torch.stack([self.activation.value(u) ** 2, self.activation.derivative(u) ** 2])

    def _finite_reach(self) -> tuple[float, float]:
        """The largest |z| up to which phi^2 and phi'^2 are finite, and the first z where they are not."""
        radii = torch.cat([torch.zeros(1), 2.0 ** torch.arange(-50.0, 47.0, 0.5)]).double()
        u = torch.stack([-radii, radii])
        bad = ~torch.isfinite(self._integrands(u.flatten())).all(0).unflatten(0, u.shape)
        if not bad.any():
            return FAR, math.inf
        first = int(bad.any(0).nonzero()[0])
        side = int(bad[1, first])
        return float(radii[max(first - 1, 0)]), float(u[side, first])


def _with_standard(ends: Tensor, both_sides: bool = True) -> Tensor:
    """Ends of panels in units of the standard deviation, including the fixed ones; (..., ends)."""
    limit = STANDARD_BREAKS[-1]
    fixed = torch.tensor(STANDARD_BREAKS, dtype=ends.dtype)
    fixed = torch.cat([-fixed[1:], fixed]) if both_sides else fixed
    ends = ends.clamp(-limit if both_sides else 0.0, limit)
    return torch.cat([ends, fixed.expand(*ends.shape[:-1], -1)], dim=-1).sort(-1).values


def _nodes(ends: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """Nodes z and weights, which include the standard normal density; (..., panels * nodes)."""
    x, w = gauss_legendre(nodes)
    half = ends.diff(dim=-1)[..., None] / 2
    z = ((ends[..., 1:] + ends[..., :-1])[..., None] / 2 + half * x).flatten(-2)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return z, (half * w).flatten(-2) * density
