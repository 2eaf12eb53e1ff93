r"""Gaussian averages of an activation, to about twelve digits.

With u ~ N(0, q), and a pair (u, v) of the same variance q and correlation c::

    single:  E[phi(u)^2],            E[phi'(u)^2],         E[u phi(u) phi'(u)]
    pair:    E[(phi(u) - phi(v))^2], E[phi'(u) phi'(v)],   E[(phi'(u) phi'(v))^2]

Rule: composite Gauss-Legendre. Panels end where the activation changes its character (its kinks,
declared or found, and a mesh that grows away from them) and at fixed multiples of sqrt(q). Neither a
kink nor a variance that dwarfs the activation's own scale costs digits; plain Gauss-Hermite loses
them to both.

Pair: for c >= 0 write u = s + t and v = s - t, with s and t independent of variance q (1 + c) / 2 and
q (1 - c) / 2. The inner integral over s is split at every s where u or v meets a break; what it
leaves is smooth in t > 0 and even, however near to 1 the correlation is. c < 0 mirrors v.

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

#: A number that may be given as an integer.
Scale = float | int

#: Panels end at these multiples of the standard deviation; beyond the last lies a mass of 1e-33.
STANDARD_BREAKS = (0.0, 1.5, 3.0, 4.5, 6.0, 9.0, 12.0)
FINE, COARSE = 16, 8
#: A relative difference this small is rounding.
ROUNDING = 1e-13
#: Nodes that a pair average holds at once; 4 million doubles are 32 MB.
CHUNK = 4_000_000
#: A pair looks sqrt(2) further out than one pre-activation.
WIDEST = math.sqrt(2) * STANDARD_BREAKS[-1]
#: The largest pre-activation that is ever looked at.
FAR = 2.0**46


@runtime_checkable
class ValueAndDerivative(Protocol):
    """What the theory asks of an activation: value and derivative, in the tensor's own precision.

    ``kinks``, where phi' or phi'' jumps, is read where it is declared.
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
        ConfigurationError: for an object without the two.

    Example:
        E[relu(u)^2] is q / 2, and relu' is 1 on half of the line:

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
                    "use a room of experiments.activations, or write both methods",
                )
            )
        self.activation = activation
        self._declared = tuple(float(k) for k in getattr(activation, "kinks", ()))
        self._mesh = Mesh(torch.zeros(0), torch.zeros(0))
        self._reach = 0.0
        self._limit, self._undefined_at = self._finite_reach()
        #: averages exist for variances up to here
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
        """E[phi'^4] with u ~ N(0, q), q > 0: how unevenly the units pass a gradient on."""
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
            decorrelation: 1 - |c|, from 0 to 1; given instead of c, since it keeps its digits near
                c = 1.
            nodes: per panel, ``FINE`` or ``COARSE``.
            mirrored: for c < 0.
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
        """Where phi wants a break, and where the integral over s leaves one for t."""
        ends, kinks = self._mesh_for(q)
        crossings = (kinks[:, None] + kinks if mirrored else kinks[:, None] - kinks).flatten() / 2
        # a feature anywhere shows up around t = 0 with its own width
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
        """Whether what lies beyond the ceiling is growth past the largest float, not a hole."""
        beyond = self.activation.value(torch.tensor([self._undefined_at], dtype=torch.float64))
        return not bool(beyond.isnan())

    def undefined(self) -> ConfigurationError:
        """The error for an activation that has no finite value where a pre-activation may fall."""
        return ConfigurationError(
            describe(
                f"an activation that is not finite at z = {self._undefined_at:.6g}",
                "finite value and derivative wherever a pre-activation may fall",
                "give it a value there, or choose an activation that is defined everywhere",
            )
        )

    def _mesh_for(self, q: Tensor) -> Mesh:
        """The mesh as far as variances ``q`` look; made again, sixteenfold wider, when that grows."""
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
        """How far out phi^2 and phi'^2 are finite, and the first place where phi or phi' is NaN."""
        radii = torch.cat([torch.zeros(1), 2.0 ** torch.arange(-50.0, 47.0, 0.5)]).double()
        u = torch.stack([-radii, radii])
        bad = ~torch.isfinite(self._integrands(u.flatten())).all(0).unflatten(0, u.shape)
        if not bad.any():
            return FAR, math.inf
        first = int(bad.any(0).nonzero()[0])
        side = int(bad[1, first])
        return float(radii[max(first - 1, 0)]), float(u[side, first])


def _with_standard(ends: Tensor, both_sides: bool = True) -> Tensor:
    """Ends of panels in units of the standard deviation, the fixed ones put in; (..., ends)."""
    limit = STANDARD_BREAKS[-1]
    fixed = torch.tensor(STANDARD_BREAKS, dtype=ends.dtype)
    fixed = torch.cat([-fixed[1:], fixed]) if both_sides else fixed
    ends = ends.clamp(-limit if both_sides else 0.0, limit)
    return torch.cat([ends, fixed.expand(*ends.shape[:-1], -1)], dim=-1).sort(-1).values


def _nodes(ends: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """Nodes z and weights, the standard normal density included; (..., panels * nodes)."""
    x, w = gauss_legendre(nodes)
    half = ends.diff(dim=-1)[..., None] / 2
    z = ((ends[..., 1:] + ends[..., :-1])[..., None] / 2 + half * x).flatten(-2)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return z, (half * w).flatten(-2) * density
