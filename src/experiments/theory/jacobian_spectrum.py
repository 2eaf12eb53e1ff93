r"""The density of the squared singular values of a deep Jacobian, at infinite width.

J = D^[L] W^[L] ... D^[1] W^[1] with square layers, D = diag(phi'(u)), u ~ N(0, q_l). If D and W are free (in
the sense of free probability), the spectrum of J J^T follows from those of the factors. With
M(z) = E[x / (z - x)] over the eigenvalues x of a matrix, and m = M(z) for J J^T::

    z = (1 + m) / m  *  prod_l sigma_w^2 g m w_l / (1 + m),      M_l(w_l) = E[phi'^2 / (w_l - phi'^2)] = m
    g = 1 + m for Gaussian weights, 1 for orthogonal ones
    density of ln x at z = x + i0:  -Im m / pi

(the S-transform of a product is the product of the S-transforms). Newton's method solves this for all
points at once along a path in z: it starts far out on the negative axis, where everything is real, moves
inwards, and then through the upper half plane to the positive axis. The unknowns are y = ln(m / (1 + m)) and
ln w_l, which stay on their branch.

Validity: widths large compared with depth. Singular values that are exactly 0 (ReLU) are not part of the
density, and its integral is then below 1. Far below the spectrum of a deep network, by tens in ln x, where
the density is 0, Newton's method may find no solution; the result is then NaN.

References:
    Pennington, Schoenholz & Ganguli (2017), section 2; Voiculescu (1987) for the S-transform.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.theory.finite_width import Ensemble, require_ensemble
from experiments.theory.quadrature import Quadrature, Scale, ValueAndDerivative

#: Number of steps along the negative axis, along the arc to the positive axis, and of Newton's method at
#: each point of the path.
INWARDS, ROUND, NEWTON = 24, 36, 2
#: The angle to the positive axis at which the path ends; edges are blurred by this fraction of x.
BLUR = 2e-3
#: Number of bins for the values of phi'^2; each bin is represented by its mean.
BINS = 64


def squared_singular_value_density(
    activation: ValueAndDerivative,
    q: Sequence[Scale],
    sigma_w: Scale,
    ln_x: Float64[Tensor, " points"],
    ensemble: Ensemble = "gaussian",
) -> Float64[Tensor, " points"]:
    """Density of ln x for the squared singular values x of J: share of all values per unit of ln x.

    Args:
        activation: ``derivative`` is used.
        q: variance of the pre-activations, one number per layer.
        sigma_w: scale of the weights; for orthogonal weights, every singular value.
        ln_x: points at which to evaluate the density.
        ensemble: "gaussian" or "orthogonal".

    Raises:
        ConfigurationError: for no layers, a sigma_w or q that is not a finite number above 0, or an unknown
            ensemble.

    Example:
        The spectrum of the product of two Gaussian matrices ends at x = 27 / 4:

        >>> from experiments.activations import Identity
        >>> x = torch.tensor([5.0, 6.5, 7.0, 8.0], dtype=torch.float64)
        >>> squared_singular_value_density(Identity(), [1.0, 1.0], 1.0, x.log()) > 0.01
        tensor([ True,  True, False, False])
    """
    _require(q, sigma_w)
    require_ensemble(ensemble)
    squares, weights, counts = _squared_slopes(activation, q)
    mean = float((counts * (weights * squares).sum(-1).log()).sum())
    solver = _Solver(squares, weights, counts, 2 * len(q) * math.log(sigma_w), ensemble)
    # so far out that m is the first moment divided by z
    outermost = max(float(ln_x.max()), mean + solver.gain) + len(q) + 10.0
    y = torch.complex(torch.full_like(ln_x, mean + solver.gain - outermost), -math.pi * _one(ln_x))
    v = (weights * squares).sum(-1).log() - y[:, None]
    for step in range(1, INWARDS + 1):
        ln_r = outermost + step / INWARDS * (ln_x - outermost)
        y, v = solver.solve(y, v, torch.complex(ln_r, math.pi * _one(ln_x)))
        y = torch.complex(y.real, -math.pi * _one(ln_x))
        v = torch.complex(v.real, math.pi * _one(v.real))
    for step in range(1, ROUND + 1):
        angle = math.pi * (BLUR / math.pi) ** (step / ROUND)
        y, v = solver.solve(y, v, torch.complex(ln_x, angle * _one(ln_x)))
    m = y.exp() / (1 - y.exp())
    return (-m.imag / math.pi).clamp(min=0.0)


class _Solver:
    """Newton's method for (ln(m / (1 + m)), ln w) at given ln z; points by rows."""

    def __init__(
        self, squares: Tensor, weights: Tensor, counts: Tensor, gain: float, ensemble: Ensemble
    ) -> None:
        self.squares, self.weights, self.counts, self.gain = squares, weights, counts, gain
        self.layers = float(counts.sum())
        self.gaussian = ensemble == "gaussian"

    def solve(self, y: Tensor, v: Tensor, ln_z: Tensor) -> tuple[Tensor, Tensor]:
        for _ in range(NEWTON):
            e = y.exp()
            m = e / (1 - e)
            w = v.exp()[..., None]
            apart = w - self.squares
            gap = m[:, None] - (self.weights * self.squares / apart).sum(-1)
            slope = -(self.weights * self.squares * w / apart**2).sum(-1)  # of M in ln w
            off = (self.layers - 1) * y + self.gain + (self.counts * v).sum(-1) - ln_z
            rise = torch.full_like(y, self.layers - 1)
            if self.gaussian:
                off = off - self.layers * torch.log(1 - e)
                rise = rise + self.layers * m
            turn = m * (1 + m)  # dm / dy
            dy = -(off + (self.counts * gap / slope).sum(-1)) / (
                rise + turn * (self.counts / slope).sum(-1)
            )
            y, v = y + dy, v + (gap + (turn * dy)[:, None]) / slope
        return y, v


def _squared_slopes(
    activation: ValueAndDerivative, q: Sequence[Scale]
) -> tuple[Tensor, Tensor, Tensor]:
    """Values and weights of phi'(u)^2 for every distinct q, and how many layers have it."""
    lengths, counts = torch.tensor([float(x) for x in q], dtype=torch.float64).unique(
        return_counts=True
    )
    u, weights = Quadrature(activation).nodes(lengths)
    squares = activation.derivative(u) ** 2
    low, high = (end(squares, -1, keepdim=True) for end in (torch.amin, torch.amax))
    place = (squares - low) / torch.where(high > low, high - low, 1.0)
    bins = (place * BINS).long().clamp(max=BINS - 1)
    held = torch.zeros(len(lengths), BINS, dtype=torch.float64).scatter_add(-1, bins, weights)
    means = torch.zeros_like(held).scatter_add(-1, bins, weights * squares) / held.clamp(min=1e-300)
    return means, held / held.sum(-1, keepdim=True), counts.double()


def _one(like: Tensor) -> Tensor:
    return torch.ones_like(like)


def _require(q: Sequence[Scale], sigma_w: Scale) -> None:
    if not len(q) or not all(0 < length < math.inf for length in q):
        raise ConfigurationError(
            describe(
                f"q={list(q)}",
                "one finite variance above 0 per layer",
                "give q=[1.0] * layers, say",
            )
        )
    if not 0 < sigma_w < math.inf:
        raise ConfigurationError(
            describe(f"sigma_w={sigma_w}", "a finite number above 0", "give sigma_w=1.0, say")
        )
