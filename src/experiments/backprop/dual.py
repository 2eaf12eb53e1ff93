r"""Dual numbers: forward-mode automatic differentiation without a tape.

    x + x' eps  with  eps^2 = 0,        f(x + x' eps) = f(x) + f'(x) x' eps

Every operation computes its tangent together with its value, starting at the inputs:
v' = sum_i (dv/da_i) a_i'. One pass gives the derivative in one direction, so a Jacobian with n inputs
takes n passes.

References:
    Note 003, "Automatic differentiation"; Baydin et al. (2018), section 3.1.
"""

from collections.abc import Callable, Sequence
from typing import final

from experiments.backprop.checks import require_numbers
from experiments.backprop.elementary import Elementary, Real, Traced
from experiments.core.errors import describe


@final
class Dual(Traced):
    """value + tangent eps.

    Example:
        >>> x = Dual(3.0, 1.0)
        >>> y = x * x + 2.0 * x
        >>> y.value, y.tangent
        (15.0, 8.0)
    """

    def __init__(self, value: Real, tangent: Real = 0.0) -> None:
        self._value = float(value)
        self.tangent = float(tangent)

    @property
    def value(self) -> float:
        return self._value

    def apply(self, operation: Elementary, *operands: Traced | Real) -> "Dual":
        duals = [_dual(operand) for operand in operands]
        values = [dual.value for dual in duals]
        value = operation.value(*values)
        partials = operation.partials(value, *values)
        # a tangent of 0 contributes nothing, even if its partial is not finite
        terms = [p * d.tangent for p, d in zip(partials, duals, strict=True) if d.tangent != 0]
        return Dual(value, sum(terms, 0.0))

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.tangent!r})"


def forward_derivative(
    f: Callable[..., Traced | Real], x: Sequence[Real], direction: Sequence[Real]
) -> tuple[float, float]:
    """f(x) and the directional derivative f'(x) direction, in one forward pass.

    Args:
        f: a function of ``len(x)`` numbers, written with ordinary arithmetic and the functions of
            ``experiments.backprop.elementary``.
        x: the point.
        direction: the tangent of every input.

    Raises:
        ValueError: if x and direction differ in length, or contain a number that is not finite.

    Example:
        >>> from experiments.backprop.elementary import exp
        >>> forward_derivative(lambda x: exp(x**2), [1.0], [1.0])
        (2.718281828459045, 5.43656365691809)
    """
    x, direction = require_numbers("x", x), require_numbers("direction", direction)
    if len(x) != len(direction):
        found = f"{len(x)} inputs and a direction of {len(direction)}"
        raise ValueError(describe(found, "one tangent per input", "give both the same length"))
    result = f(*(Dual(value, tangent) for value, tangent in zip(x, direction, strict=True)))
    dual = _dual(result)
    return dual.value, dual.tangent


def _dual(operand: Traced | Real) -> Dual:
    if isinstance(operand, Dual):
        return operand
    if isinstance(operand, Traced):
        found = f"a {type(operand).__name__} among dual numbers"
        raise TypeError(
            describe(found, "numbers of one kind", "differentiate in one mode at a time")
        )
    return Dual(float(operand))
