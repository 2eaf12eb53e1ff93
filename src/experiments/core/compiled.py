r"""Loops that Numba compiles for this processor: an activation's scalar formula, and sums over rows.

An activation computed by whole-tensor operations passes over memory five to ten times, and on processors
without AVX-512 waits for slow exponentials as well. Compiled, it is one pass::

    run = loop(tanh_of_number, torch.float32)
    run(z, a, derivative)                     # flat NumPy arrays

The exponential is written so that several numbers are computed at a time. With k = round(x / ln 2) and
r = x - k ln 2, |r| <= ln(2)/2, and 2^k made from its bits::

    p       = e^r - 1 = r + r^2 (1/2! + r/3! + ...)         Taylor's polynomial
    e^x     = 2^k p + 2^k,      e^x - 1 = 2^k p + (2^k - 1)     no cancellation in either

Sums over a row are taken in one pass, of several partial sums each: :func:`row_totals`.

Numba is imported here and nowhere else; it is an optional package.
"""

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from types import FunctionType
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from experiments.core.errors import describe
from experiments.core.scalar import exp_and_expm1

#: 0/0 is NaN instead of an error; a product and a sum may become one instruction
OPTIONS: Any = {"error_model": "numpy", "fastmath": {"contract"}}
#: the terms of a sum may be added in any order
SUMMED: Any = {"error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}

LN_2 = Fraction("0.69314718055994530941723212145817656807550013436026")
#: of a float type: x below which e^x is 0
UNDERFLOW = {np.float32: -104.0, np.float64: -746.0}
#: degree at which Taylor's polynomial of e^r - 1 is exact to half a unit in the last place
DEGREE = {np.float32: 7, np.float64: 13}


@functools.cache
def loop(formula: Any, dtype: torch.dtype) -> Callable[..., None]:
    """``run(z, a, derivative, *numbers)``: a[i], derivative[i] = formula(z[i], *numbers) for every i.

    Args:
        formula: of one number z and the activation's parameters: a plain function without defaults and
            closure, that calls nothing but Python's operators, ``math`` and ``core/scalar.py``. Its
            literals, and the floats of its module, become numbers of ``dtype``.
        dtype: float32 or float64. The arrays are flat and of this type, and so are the numbers.

    Raises:
        TypeError: for a formula with defaults or a closure.
    """
    if formula.__defaults__ or formula.__closure__:
        found = f"{formula.__qualname__} with defaults or a closure"
        remedy = "pass such numbers as arguments, or keep them in the module"
        raise TypeError(describe(found, "a plain function", remedy))
    number = np.float32 if dtype == torch.float32 else np.float64
    compiled = njit(**OPTIONS)(_in_type(formula, number))

    def run(z: Any, a: Any, derivative: Any, *numbers: Any) -> None:
        for i in range(z.size):
            a[i], derivative[i] = compiled(z[i], *numbers)

    looped: Callable[..., None] = njit(**OPTIONS)(run)
    return looped


def _summed(function: Any) -> Any:
    """The decorator, which Numba leaves untyped."""
    return njit(**SUMMED)(function)


@_summed
def row_totals(rows: Any, bound: Any, piece: int, found: Any) -> None:
    """For every row: sum, sum of squares, and how many entries are 0 and of size below ``bound``.

    Args:
        rows: (R, n).
        bound: of the rows' type.
        piece: how many entries are summed in their own type, before float64 takes over.
        found: (4, R), float64; receives the four.
    """
    none, one = rows.dtype.type(0), rows.dtype.type(1)
    for r in range(rows.shape[0]):
        row, sums = rows[r], found[:, r]
        sums[:] = 0.0
        for start in range(0, row.size, piece):
            part = row[start : start + piece]  # indexed from 0, or the loop is not vectorised
            total, square, zero, small = none, none, none, none
            for i in range(part.size):
                x = part[i]
                total += x
                square += x * x
                zero += one if x == none else none
                small += one if abs(x) < bound else none
            sums[0] += total
            sums[1] += square
            sums[2] += zero
            sums[3] += small


def _in_type(formula: Any, number: type[np.floating[Any]]) -> FunctionType:
    """The formula with its constants in this type: float32 times a Python float would be float64."""

    def typed(constant: Any) -> Any:
        return number(constant) if isinstance(constant, float) else constant

    code = formula.__code__
    literals = tuple(map(typed, code.co_consts))
    names = {name: typed(value) for name, value in formula.__globals__.items()}
    return FunctionType(code.replace(co_consts=literals), names, formula.__name__)


def _write_power_of_two(_: Any, shifted: Any) -> Any:
    """2^k from k + 1.5 2^m, m the bits of the fraction: its lowest bits are those of the integer k."""
    kind = np.finfo(str(shifted))
    word, one = ir.IntType(kind.bits), (kind.maxexp - 1) << kind.nmant  # the bits of 1.0

    def write(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        k = builder.shl(builder.bitcast(arguments[0], word), ir.Constant(word, kind.nmant))
        return builder.bitcast(builder.add(k, ir.Constant(word, one)), arguments[0].type)

    return shifted(shifted), write


_power_of_two: Any = intrinsic(_write_power_of_two)


def _exponential(number: type[np.floating[Any]]) -> Callable[[Any], Any]:
    fraction_bits = np.finfo(number).nmant
    shift = number(1.5 * 2**fraction_bits)
    lowest, one, half = number(UNDERFLOW[number]), number(1), number(0.5)
    # ln 2 in two parts, of which the first times k is exact
    bits = fraction_bits - 12
    high = Fraction(round(LN_2 * 2**bits), 2**bits)
    ln_2, ln_2_rest, per_ln_2 = number(high), number(LN_2 - high), number(1 / LN_2)
    first, *others = [number(1 / math.factorial(k)) for k in range(DEGREE[number], 1, -1)]
    coefficients = tuple(others)

    def exp_and_expm1(x: Any) -> Any:
        x = lowest if x < lowest else x
        k = (x * per_ln_2 + shift) - shift
        r = (x - k * ln_2) - k * ln_2_rest
        p = first
        for coefficient in coefficients:
            p = p * r + coefficient
        p = p * r * r + r
        # in two factors, because 2^k alone may be subnormal, which has no such bits
        k_half = (k * half + shift) - shift
        scale = _power_of_two(k_half + shift) * _power_of_two((k - k_half) + shift)
        return scale * p + scale, scale * p + (scale - one)

    return exp_and_expm1


EXPONENTIALS = {types.float32: _exponential(np.float32), types.float64: _exponential(np.float64)}


@overload(exp_and_expm1, jit_options=OPTIONS)
def _choose_exponential(x: Any) -> Any:
    return EXPONENTIALS[x]
