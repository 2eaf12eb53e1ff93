r"""Elementary operations on scalars: value and partial derivatives, one line each.

A program is a sequence of such operations. Automatic differentiation needs nothing else: dual numbers
(``dual.py``) multiply the partials from the inputs to the output, the tape (``tape.py``) from the output
back to the inputs.

    v = op(a, b),    op.partials(v, a, b) = (dv/da, dv/db)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from experiments.core.errors import describe

#: a plain number; the constants of a program are often integers
Real = float | int


@dataclass(frozen=True)
class Elementary:
    """One operation: its notation, its value, and its partials as a function of value and operands."""

    pattern: str
    function: Callable[..., float]
    derivative: Callable[..., tuple[float, ...]]

    def value(self, *operands: float) -> float:
        """The value of the operation; a value that is too large for a float is infinity, not an error.

        Raises:
            ValueError: outside the domain of the operation (the root or logarithm of a negative number).
        """
        try:
            return self.function(*operands)
        except OverflowError:
            return math.inf
        except (ValueError, ZeroDivisionError) as error:
            raise self._outside("in its domain", operands) from error

    def partials(self, value: float, *operands: float) -> tuple[float, ...]:
        """The partial derivative with respect to every operand.

        Raises:
            ValueError: where the operation has a value but no derivative (the root of 0).
        """
        try:
            return self.derivative(value, *operands)
        except (ValueError, ZeroDivisionError) as error:
            raise self._outside("where its derivative exists", operands) from error

    def written(self, *operands: str) -> str:
        """The operation in usual notation, for instance ``exp(v_1)``."""
        return self.pattern.format(*operands)

    def _outside(self, where: str, operands: tuple[float, ...]) -> ValueError:
        found = self.written(*(repr(operand) for operand in operands))
        return ValueError(describe(found, f"operands {where}", "start from another point"))


def _power(a: float, n: float) -> float:
    try:
        return math.pow(a, n)
    except OverflowError:
        return -math.inf if a < 0 and n % 2 == 1 else math.inf


def _power_partials(v: float, a: float, n: float) -> tuple[float, float]:
    # a^n with a <= 0 has no derivative in n: NaN, which is not used where the exponent is constant;
    # a^0 is the constant 1, also at a = 0
    return n * _power(a, n - 1) if n else 0.0, v * math.log(a) if a > 0 else math.nan


ADD = Elementary("{} + {}", lambda a, b: a + b, lambda *_: (1.0, 1.0))
SUBTRACT = Elementary("{} - {}", lambda a, b: a - b, lambda *_: (1.0, -1.0))
MULTIPLY = Elementary("{} * {}", lambda a, b: a * b, lambda _, a, b: (b, a))
DIVIDE = Elementary("{} / {}", lambda a, b: a / b, lambda v, _, b: (1 / b, -v / b))
POWER = Elementary("{}^{}", _power, _power_partials)
EXP = Elementary("exp({})", math.exp, lambda v, _: (v,))
LOG = Elementary("log({})", math.log, lambda _, a: (1 / a,))
SQRT = Elementary("sqrt({})", math.sqrt, lambda v, _: (1 / (2 * v),))
SIN = Elementary("sin({})", math.sin, lambda _, a: (math.cos(a),))
COS = Elementary("cos({})", math.cos, lambda _, a: (-math.sin(a),))


class Traced(ABC):
    """A number whose arithmetic is differentiated; dual numbers and tape nodes are subclasses."""

    @property
    @abstractmethod
    def value(self) -> float:
        """The number itself."""

    @abstractmethod
    def apply(self, operation: Elementary, *operands: "Traced | Real") -> "Traced":
        """The result of the operation, as a number of the same kind."""

    def __add__(self, other: "Traced | Real") -> "Traced":
        return self.apply(ADD, self, other)

    def __radd__(self, other: Real) -> "Traced":
        return self.apply(ADD, other, self)

    def __sub__(self, other: "Traced | Real") -> "Traced":
        return self.apply(SUBTRACT, self, other)

    def __rsub__(self, other: Real) -> "Traced":
        return self.apply(SUBTRACT, other, self)

    def __mul__(self, other: "Traced | Real") -> "Traced":
        return self.apply(MULTIPLY, self, other)

    def __rmul__(self, other: Real) -> "Traced":
        return self.apply(MULTIPLY, other, self)

    def __truediv__(self, other: "Traced | Real") -> "Traced":
        return self.apply(DIVIDE, self, other)

    def __rtruediv__(self, other: Real) -> "Traced":
        return self.apply(DIVIDE, other, self)

    def __pow__(self, other: "Traced | Real") -> "Traced":
        return self.apply(POWER, self, other)

    def __rpow__(self, other: Real) -> "Traced":
        return self.apply(POWER, other, self)

    def __neg__(self) -> "Traced":
        return self.apply(MULTIPLY, -1.0, self)


def evaluate(operation: Elementary, a: Traced | Real) -> Traced | Real:
    """The operation on a plain float or on a traced number."""
    return a.apply(operation, a) if isinstance(a, Traced) else operation.value(a)


def exp(a: Traced | Real) -> Traced | Real:
    """e^a."""
    return evaluate(EXP, a)


def log(a: Traced | Real) -> Traced | Real:
    """The natural logarithm."""
    return evaluate(LOG, a)


def sqrt(a: Traced | Real) -> Traced | Real:
    """The square root."""
    return evaluate(SQRT, a)


def sin(a: Traced | Real) -> Traced | Real:
    """The sine."""
    return evaluate(SIN, a)


def cos(a: Traced | Real) -> Traced | Real:
    """The cosine."""
    return evaluate(COS, a)
