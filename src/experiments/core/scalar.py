"""Functions of one number, from which an activation's scalar formula is made.

As they stand they are Python's. ``core/compiled.py`` replaces them, inside a loop, by forms that a
processor computes for several numbers at a time.
"""

import math
from collections.abc import Callable

#: (sigma(z), sigma'(z)) of one number z and the activation's parameters: a plain function
ScalarFormula = Callable[..., tuple[float, float]]


def exp_and_expm1(x: float) -> tuple[float, float]:
    """(e^x, e^x - 1) for x <= 0, or NaN; each keeps its digits where the other loses them."""
    return math.exp(x), math.expm1(x)
