"""Numbers given by their log10, which may be smaller or larger than any float, as text."""

import math

from experiments.core.interval import Interval

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def decade(log10: float | int) -> str:
    """A whole power of ten.

    >>> decade(-20), decade(0), decade(3)
    ('10⁻²⁰', '1', '10³')
    """
    return "1" if log10 == 0 else "10" + f"{log10:.0f}".translate(_RAISED)


def power(log10: float | int) -> str:
    """Two digits and a power of ten; plain between a thousandth and a thousand.

    >>> power(-600.25), power(-0.5), power(2.0), power(float("-inf"))
    ('5.6×10⁻⁶⁰¹', '0.316', '100', '0')
    """
    if math.isnan(log10):
        return "not a number"
    if math.isinf(log10):
        return "∞" if log10 > 0 else "0"
    if -3 <= log10 < 3:
        return f"{10**log10:.3g}"
    exponent = math.floor(log10)
    digits = f"{10 ** (log10 - exponent):.1f}"
    if digits == "10.0":
        digits, exponent = "1.0", exponent + 1
    return f"{digits}×{decade(exponent)}"


def power_interval(log10: Interval) -> str:
    """The number and its bounds, from an interval of its log10.

    >>> print(power_interval(Interval(-20.0, -20.5, -19.5, 10)))
    1.0×10⁻²⁰ [3.2×10⁻²¹, 3.2×10⁻²⁰]
    """
    if not log10.seeds:
        return str(log10)
    bounds = f" [{power(log10.low)}, {power(log10.high)}]" if log10.known else ""
    return power(log10.value) + bounds + (f" ({log10.note})" if log10.note else "")
