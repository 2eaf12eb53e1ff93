r"""How hard each loss pulls on one logit, and where it stops pulling although the answer is wrong.

Everything is a function of one number, the wrongness u: the logit, counted towards the wrong answer.
For a sigmoid u = z when the target is 0 and u = -z when it is 1; the answer is wrong for u > 0. With
s = 1/(1 + e^-u), the probability of the wrong answer, and r = 1 - s::

    head                               C             C' = |delta|         C''
    identity, half squared error       u^2 / 2       u                    1
    sigmoid, half squared error        s^2 / 2       s^2 r                s^2 r (2 - 3 s)
    sigmoid, absolute error            s             s r                  s r (r - s)
    sigmoid, cross-entropy             L             s                    s r
    sigmoid, focal                     s^g L         s^g (s + g r L)      s^g r [g^2 r L + s (1 + 2g - gL)]
    sigmoid, smoothed cross-entropy    L - e u / 2   s - e / 2            s r

L = -log r. A softmax of two classes is a sigmoid of their difference, for which squared and absolute
error count both classes, that is twice. For an identity u is the distance from the target, and the
answer is wrong for u > 1/2.

Cross-entropy's pull grows to 1 with the error. Squared error's is largest, 4/27, at s = 2/3, that is
u = ln 2, and dies like e^-u beyond: there C is not convex, with C'' down to -0.0601022 at s = 0.864357.

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

#: extremes are searched here; beyond, every sigmoid head is within e^-40 of its limit
GRID = np.linspace(-40.0, 40.0, 16_001)
#: as good as infinity for a sigmoid
FAR = 1e3


@dataclass(frozen=True)
class Head:
    """A link and a cost, seen from one logit: cost, slope and curvature as functions of wrongness."""

    name: str
    cost: Curve
    slope: Curve
    curvature: Curve
    #: the wrongness beyond which the answer is wrong
    boundary: float = 0.0


def half_squared_on_identity() -> Head:
    """C = u^2 / 2: the pull is the distance, whichever side."""
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
    return Head("sigmoid, cross-entropy", _surprise, expit, lambda u: expit(u) * expit(-u))


def focal_on_sigmoid(gamma: float | int) -> Head:
    """C = -s^gamma log(1 - s); gamma from 0, which is cross-entropy.

    Raises:
        ConfigurationError: for a negative gamma.
    """
    if not gamma >= 0:
        raise ConfigurationError(describe(f"gamma={gamma}", "a number from 0", "use gamma=2"))

    def slope(u: Array) -> Array:
        s, r, surprise = expit(u), expit(-u), _surprise(u)
        pull: Array = s**gamma * (s + gamma * r * surprise)
        return pull

    def curvature(u: Array) -> Array:
        s, r, surprise = expit(u), expit(-u), _surprise(u)
        bracket = gamma**2 * r * surprise + s * (1 + 2 * gamma - gamma * surprise)
        bend: Array = s**gamma * r * bracket
        return bend

    return Head(
        f"sigmoid, focal ({gamma:g})", lambda u: expit(u) ** gamma * _surprise(u), slope, curvature
    )


def smoothed_cross_entropy_on_sigmoid(smoothing: float | int) -> Head:
    """C = -(1 - e/2) log(1 - s) - e/2 log s: a right answer is pulled back once s < e/2.

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
        lambda u: (1 - wrong) * _surprise(u) + wrong * _surprise(-u),
        lambda u: expit(u) - wrong,
        lambda u: expit(u) * expit(-u),
    )


def heads() -> tuple[Head, ...]:
    """The heads of the table, with the customary settings of the last two."""
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
    """The shape of a head in five numbers.

    Attributes:
        inflection: the wrongness beyond which C is concave and the pull dwindles; inf: C is convex.
        greatest_slope: the supremum of the pull, reached at the inflection.
        most_concave: the wrongness at which C'' is least; inf for a convex C.
        least_curvature: the infimum of C''.
        final_slope: the limit of the pull for an ever more wrong answer.
    """

    inflection: float
    greatest_slope: float
    most_concave: float
    least_curvature: float
    final_slope: float


def geometry(head: Head) -> Geometry:
    """Find the extremes of a head from its formulas.

    Example:
        >>> found = geometry(half_squared_on_sigmoid())
        >>> round(found.greatest_slope * 27, 12), round(found.least_curvature, 8)
        (4.0, -0.0601022)
    """
    final = at(head.slope, FAR) if at(head.curvature, FAR) == 0 else float("inf")
    curvature = head.curvature(GRID)
    signs = np.flatnonzero((curvature[:-1] > 0) & (curvature[1:] <= 0))
    if not signs.size:
        least = at(head.curvature, FAR)
        return Geometry(np.inf, final, np.inf, least, final)
    before = signs[-1]
    inflection = float(
        brentq(functools.partial(at, head.curvature), GRID[before], GRID[before + 1], xtol=1e-14)
    )
    lowest = curvature.argmin()
    around = (GRID[lowest - 1], GRID[lowest + 1])
    found = minimize_scalar(
        functools.partial(at, head.curvature),
        bounds=around,
        method="bounded",
        options={"xatol": 1e-10},
    )
    greatest = at(head.slope, inflection)
    return Geometry(inflection, greatest, float(found.x), float(found.fun), final)


def gives_up_at(head: Head, share: float | int = 0.01) -> float:
    """The wrongness beyond which the pull is below ``share`` of its greatest; inf: never.

    From there on a wrong answer is hardly corrected, the less the more wrong it is. For half squared
    error on a sigmoid it is about ln(27 / (4 share)).

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
    """A curve at one point.

    Example:
        >>> at(half_squared_on_identity().cost, 3.0)
        4.5
    """
    return float(curve(np.array([u]))[0])


def _surprise(u: Array) -> Array:
    surprise: Array = np.logaddexp(0.0, u)
    return surprise
