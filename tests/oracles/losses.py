"""High-precision losses: textbook costs with many digits; slopes and curvatures by differences.

Shares nothing with src. Only the costs are written down, in mpmath, where no rounding can hurt the
naive formula; delta and the Hessian are numerical derivatives of it, so no formula of src is repeated.
"""

from collections.abc import Callable, Sequence

import mpmath

Real = mpmath.mpf
Row = Sequence[Real]

#: e^-200 against 1 needs 87 digits; the differences need as many again
DIGITS = 220


def _softmax(z: Row) -> list[Real]:
    powers = [mpmath.exp(x) for x in z]
    total = mpmath.fsum(powers)
    return [power / total for power in powers]


LINKS: dict[str, Callable[[Row], list[Real]]] = {
    "identity": list,
    "sigmoid": lambda z: [1 / (1 + mpmath.exp(-x)) for x in z],
    "softmax": _softmax,
}


def _squares(a: Row, t: Row) -> Real:
    return mpmath.fsum((x - y) ** 2 for x, y in zip(a, t, strict=True))


def _weighted_log(t: Row, a: Row, weight: Callable[[Real], Real] = lambda p: mpmath.mpf(1)) -> Real:
    return -mpmath.fsum(y * weight(p) * mpmath.log(p) for y, p in zip(t, a, strict=True) if y)


def _no(row: Row) -> list[Real]:
    return [1 - x for x in row]


def _focal(a: Row, t: Row, gamma: float, link: str) -> Real:
    def weight(p: Real) -> Real:
        return (1 - p) ** gamma

    yes = _weighted_log(t, a, weight)
    return yes if link == "softmax" else yes + _weighted_log(_no(t), _no(a), weight)


def cost(room: str, link: str, z: Row, t: Row, **options: float) -> Real:
    """C_d of one example, by the textbook."""
    a, n = LINKS[link](z), len(z)
    match room:
        case "HalfSquaredError":
            return _squares(a, t) / 2
        case "SquaredError":
            return _squares(a, t)
        case "MeanSquaredError":
            return _squares(a, t) / n
        case "RescaledSquaredError":
            k, m = options["k"], options["M"]
            return (
                mpmath.fsum(k * (x - m) ** 2 if y else x**2 for x, y in zip(a, t, strict=True)) / n
            )
        case "AbsoluteError":
            return mpmath.fsum(abs(x - y) for x, y in zip(a, t, strict=True))
        case "BinaryCrossEntropy":
            return _weighted_log(t, a) + _weighted_log(_no(t), _no(a))
        case "CrossEntropy":
            return _weighted_log(t, a)
        case "LabelSmoothedCrossEntropy":
            s = mpmath.mpf(options["smoothing"])
            return _weighted_log([(1 - s) * y + s / n for y in t], a)
        case "Focal":
            return _focal(a, t, options["gamma"], link)
    raise NotImplementedError(f"no oracle for {room}: write its cost here")


def slopes(
    room: str,
    link: str,
    z: Sequence[float],
    t: Sequence[float],
    digits: int = DIGITS,
    **options: float,
) -> tuple[float, list[float]]:
    """C_d and delta of one example, correctly rounded to float64."""
    with mpmath.workdps(digits):
        at, step = _moved(room, link, z, t, digits, options)
        axes = range(len(z))
        delta = [(at((j, 1)) - at((j, -1))) / (2 * step) for j in axes]
        return float(at()), [float(x) for x in delta]


def hessian(
    room: str, link: str, z: Sequence[float], t: Sequence[float], **options: float
) -> list[list[float]]:
    """The second derivatives of C_d of one example, correctly rounded to float64."""
    with mpmath.workdps(DIGITS):
        at, step = _moved(room, link, z, t, DIGITS, options)
        axes = range(len(z))

        def second(j: int, k: int) -> Real:
            alike = at((j, 1), (k, 1)) + at((j, -1), (k, -1))
            return (alike - at((j, 1), (k, -1)) - at((j, -1), (k, 1))) / (4 * step**2)

        return [[float(second(j, k)) for k in axes] for j in axes]


def _moved(
    room: str,
    link: str,
    z: Sequence[float],
    t: Sequence[float],
    digits: int,
    options: dict[str, float],
) -> tuple[Callable[..., Real], Real]:
    """The cost as a function of moves (axis, sign) by one step, and the step."""
    point, target = [mpmath.mpf(x) for x in z], [mpmath.mpf(y) for y in t]
    step = mpmath.mpf(10) ** (-digits // 6)

    def at(*moves: tuple[int, int]) -> Real:
        moved = list(point)
        for j, sign in moves:
            moved[j] += sign * step
        return cost(room, link, moved, target, **options)

    return at, step
