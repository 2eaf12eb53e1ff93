"""Ticks of an axis of log10 values: whole powers of ten, or round numbers between them.

Labels are computed from the logarithm, since a gradient's norm may be smaller than any float.
"""

import math
from typing import final

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator

from experiments.reporting.powers import decade

#: from LONG decades on, ticks at whole powers; from SHORT on, at 1, 2 and 5 times a power; below
#: that, at round numbers
LONG, SHORT = 2.0, 0.7


def tick_by_decades(axis: Axis) -> None:
    """Set the ticks and tick labels of an axis of log10 values."""

    def name(at: float, _: int | None) -> str:
        low, high = axis.get_view_interval()
        return tick_name(at, whole=bool(abs(high - low) >= LONG))

    axis.set_major_locator(DecadeLocator())
    axis.set_major_formatter(FuncFormatter(name))


@final
class DecadeLocator(Locator):
    """Positions of the ticks: at least two if the axis has any length."""

    def __call__(self) -> list[float]:
        assert self.axis is not None  # noqa: S101  matplotlib sets it
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        low, high = sorted((float(vmin), float(vmax)))
        first = math.floor(low)
        if high - low >= LONG:
            found = np.asarray(MaxNLocator(nbins=7, integer=True).tick_values(low, high))
        elif high - low >= SHORT:
            powers = range(first, math.ceil(high) + 1)
            found = np.array([k + math.log10(m) for k in powers for m in (1, 2, 5)])
        else:
            ends = 10 ** (low - first), 10 ** (high - first)
            numbers = np.asarray(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(*ends))
            found = first + np.log10(numbers[numbers > 0])
        return [at for at in found.tolist() if low <= at <= high]


def tick_name(at: float, whole: bool) -> str:
    """A power of ten where all ticks are ``whole`` powers, else the number.

    >>> tick_name(-600.0, True), tick_name(-1.0, True), tick_name(-1.0, False)
    ('10⁻⁶⁰⁰', '10⁻¹', '0.1')
    >>> tick_name(-1.30103, False), tick_name(-600.30103, False)
    ('0.05', '5×10⁻⁶⁰¹')
    """
    exponent = math.floor(at + 1e-9)
    if not whole and -3 <= exponent < 4:
        return f"{10**at:.6g}"
    digits = f"{10 ** (at - exponent):.6g}"
    return decade(exponent) if digits == "1" else f"{digits}×{decade(exponent)}"
