r"""The gradient of each loss in one logit, and where it vanishes although the answer is wrong.

Everything is a function of one number, the wrongness u: the logit in the direction of the wrong answer.
For a sigmoid, u = z if the target is 0 and u = -z if it is 1; the answer is wrong for u > 0. With
s = 1/(1 + e^-u), the probability of the wrong answer, and r = 1 - s::

    head                               C             C' = |delta|         C''
    identity, half squared error       u^2 / 2       u                    1
    sigmoid, half squared error        s^2 / 2       s^2 r                s^2 r (2 - 3 s)
    sigmoid, absolute error            s             s r                  s r (r - s)
    sigmoid, cross-entropy             L             s                    s r
    sigmoid, focal                     s^g L         s^g (s + g r L)      s^g r [g^2 r L + s (1 + 2g - gL)]
    sigmoid, smoothed cross-entropy    L - e u / 2   s - e / 2            s r

L = -log r. A softmax over two classes is a sigmoid of the difference of their logits; squared and absolute
error then count both classes, that is, twice. For an identity link, u is the distance from the target, and
the answer is wrong for u > 1/2.

The pull |delta| of cross-entropy grows to 1 with the error. That of squared error has its maximum, 4/27, at
s = 2/3 (u = ln 2) and decays like e^-u beyond. There C is not convex; the minimum of C'' is -0.0601022 at
s = 0.864357.

References:
    Nielsen, Neural Networks and Deep Learning, ch. 3; Golik, Doetsch & Ney (2013);
    Lin et al. (2017) for the focal loss.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit

from experiments.core.errors import ConfigurationError, describe

Array = Float[np.ndarray, "*points"]
Curve = Callable[[Array], Array]

#: grid for the search of extremes; beyond it every sigmoid head is within e^-40 of its limit
GRID = np.linspace(-40.0, 40.0, 16_001)
#: stands for infinity: a sigmoid is 0 or 1 there
FAR = 1e3


@dataclass(frozen=True)
class Head:
    """A link and a cost: cost, slope and curvature as functions of the wrongness of one logit."""

    name: str
    cost: Curve
    slope: Curve
    curvature: Curve
    #: the wrongness beyond which the answer is wrong
    boundary: float = 0.0


def half_squared_on_identity() -> Head:
    """C = u^2 / 2; the slope is the distance u itself."""
    return Head("identity, half squared error", lambda u: u * u / 2, lambda u: u, np.ones_like, 0.5)


def half_squared_on_sigmoid() -> Head:
    """C = s^2 / 2."""
    return Head(
        "sigmoid, half squared error",
        lambda u: expit(u) ** 2 / 2,
        lambda u: expit(u) ** 2 * expit(-u),
        lambda u: expit(u) ** 2 * expit(-u) * (2 - 3 * expit(u)),
    )


def absolute_on_sigmoid() -> Head:
    """C = s."""
    return Head(
        "sigmoid, absolute error",
        expit,
        lambda u: expit(u) * expit(-u),
        lambda u: -expit(u) * expit(-u) * np.tanh(u / 2),
    )


def cross_entropy_on_sigmoid() -> Head:
    """C = -log(1 - s)."""
    return Head("sigmoid, cross-entropy", _surprisal, expit, lambda u: expit(u) * expit(-u))


def focal_on_sigmoid(gamma: float | int) -> Head:
    """C = -s^gamma log(1 - s); gamma from 0, which is cross-entropy.

    Raises:
        ConfigurationError: for a negative gamma.
    """
    if not gamma >= 0:
        raise ConfigurationError(describe(f"gamma={gamma}", "a number from 0", "use gamma=2"))

    def slope(u: Array) -> Array:
        s, r, L = expit(u), expit(-u), _surprisal(u)
        result: Array = s**gamma * (s + gamma * r * L)
        return result

    def curvature(u: Array) -> Array:
        s, r, L = expit(u), expit(-u), _surprisal(u)
        bracket = gamma**2 * r * L + s * (1 + 2 * gamma - gamma * L)
        result: Array = s**gamma * r * bracket
        return result

    return Head(
        f"sigmoid, focal ({gamma:g})", lambda u: expit(u) ** gamma * _surprisal(u), slope, curvature
    )


def smoothed_cross_entropy_on_sigmoid(smoothing: float | int) -> Head:
    """C = -(1 - e/2) log(1 - s) - e/2 log s; for s < e/2 the slope is negative.

    Raises:
        ConfigurationError: for a smoothing outside [0, 1).
    """
    if not 0 <= smoothing < 1:
        raise ConfigurationError(
            describe(f"smoothing={smoothing}", "a share in [0, 1)", "use smoothing=0.1")
        )
    wrong = smoothing / 2
    return Head(
        f"sigmoid, smoothed cross-entropy ({smoothing:g})",
        lambda u: (1 - wrong) * _surprisal(u) + wrong * _surprisal(-u),
        lambda u: expit(u) - wrong,
        lambda u: expit(u) * expit(-u),
    )


def heads() -> tuple[Head, ...]:
    """The heads of the table, with the usual settings of the last two."""
    return (
        half_squared_on_identity(),
        half_squared_on_sigmoid(),
        absolute_on_sigmoid(),
        cross_entropy_on_sigmoid(),
        focal_on_sigmoid(2.0),
        smoothed_cross_entropy_on_sigmoid(0.1),
    )


@dataclass(frozen=True)
class Geometry:
    """Five numbers that describe the shape of a head.

    Attributes:
        inflection: the wrongness beyond which C is concave and the slope decreases; inf for a convex C.
        greatest_slope: the supremum of the slope, reached at the inflection.
        most_concave: the wrongness at which C'' is smallest; inf for a convex C.
        least_curvature: the infimum of C''.
        final_slope: the limit of the slope for u -> inf.
    """

    inflection: float
    greatest_slope: float
    most_concave: float
    least_curvature: float
    final_slope: float


def geometry(head: Head) -> Geometry:
    """Compute the extremes of a head numerically from its formulas.

    Example:
        >>> shape = geometry(half_squared_on_sigmoid())
        >>> round(shape.greatest_slope * 27, 12), round(shape.least_curvature, 8)
        (4.0, -0.0601022)
    """
    final = at(head.slope, FAR) if at(head.curvature, FAR) == 0 else float("inf")
    curvature = head.curvature(GRID)
    signs = np.flatnonzero((curvature[:-1] > 0) & (curvature[1:] <= 0))
    if not signs.size:
        least = at(head.curvature, FAR)
        return Geometry(np.inf, final, np.inf, least, final)
    before = signs[-1]
    curvature_at = functools.partial(at, head.curvature)
    inflection = float(brentq(curvature_at, GRID[before], GRID[before + 1], xtol=1e-14))
    lowest = curvature.argmin()
    minimum = minimize_scalar(
        curvature_at,
        bounds=(GRID[lowest - 1], GRID[lowest + 1]),
        method="bounded",
        options={"xatol": 1e-10},
    )
    greatest = at(head.slope, inflection)
    return Geometry(inflection, greatest, float(minimum.x), float(minimum.fun), final)


def gives_up_at(head: Head, share: float | int = 0.01) -> float:
    """The wrongness beyond which the slope is below ``share`` of its maximum; inf if there is none.

    Beyond it a wrong answer is hardly corrected. For half squared error on a sigmoid this is at about
    ln(27 / (4 share)).

    Raises:
        ConfigurationError: for a share outside (0, 1).

    Example:
        >>> round(gives_up_at(half_squared_on_sigmoid()), 3), gives_up_at(cross_entropy_on_sigmoid())
        (6.51, inf)
    """
    if not 0 < share < 1:
        raise ConfigurationError(describe(f"share={share}", "a number in (0, 1)", "use share=0.01"))
    shape = geometry(head)
    level = share * shape.greatest_slope
    if shape.final_slope >= level:
        return float("inf")
    far = shape.inflection + 10 - 2 * float(np.log(share))
    return float(brentq(lambda u: at(head.slope, u) - level, shape.inflection, far, xtol=1e-12))


def at(curve: Curve, u: float) -> float:
    """The value of a curve at one point.

    Example:
        >>> at(half_squared_on_identity().cost, 3.0)
        4.5
    """
    return float(curve(np.array([u]))[0])


def _surprisal(u: Array) -> Array:
    L: Array = np.logaddexp(0.0, u)
    return L
