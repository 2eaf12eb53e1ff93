r"""Trace tables and Jacobians by automatic differentiation, with the number of passes they take.

For a program with n inputs and m outputs::

    forward mode    n passes, one column of the m x n Jacobian each
    reverse mode    m passes, one row each

References:
    Note 003, "Automatic differentiation"; Baydin et al. (2018), section 3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.backprop.checks import require_numbers
from experiments.backprop.dual import Dual
from experiments.backprop.elementary import Real, Traced
from experiments.backprop.tape import Node, Tape
from experiments.core.errors import describe

#: a function of n numbers, plain or traced, with one result or a sequence of m
Program = Callable[..., "Traced | Real | Sequence[Traced | Real]"]


@dataclass(frozen=True)
class TraceRow:
    """v_i: how it was computed, its value, its tangent v_i' and its adjoint df/dv_i."""

    name: str
    written: str
    value: float
    tangent: float
    adjoint: float


@dataclass(frozen=True)
class TraceTable:
    """Every intermediate result of a program; ``str()`` formats it as a text table."""

    rows: tuple[TraceRow, ...]

    def __str__(self) -> str:
        head = ("v_i", "computed as", "value", "tangent", "adjoint")
        numbers = ((f"{n:.12g}" for n in (r.value, r.tangent, r.adjoint)) for r in self.rows)
        cells = [(row.name, row.written, *n) for row, n in zip(self.rows, numbers, strict=True)]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in (head, tuple("-" * width for width in widths), *cells)
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class SweptJacobian:
    """The m x n Jacobian, row by row, and the number of passes that it took."""

    rows: tuple[tuple[float, ...], ...]
    passes: int


def trace_table(
    program: Program,
    x: Sequence[Real],
    direction: Sequence[Real] | None = None,
    output: int = 0,
) -> TraceTable:
    """Record the program at x, sweep its tape forward and backward, and tabulate the results.

    Args:
        program: a function of ``len(x)`` numbers.
        x: the point.
        direction: the tangents of the inputs; None is 1 for the first input and 0 for the others.
        output: the result that the adjoints are for, counted from 0.

    Raises:
        ValueError: if the program has no such output, if the direction does not have one number per
            input, or if x or the direction contains a number that is not finite.

    Example:
        The first program of note 003, f = exp(x^2), at x = 1:

        >>> from experiments.backprop.elementary import exp
        >>> print(trace_table(lambda x: exp(x**2), [1.0]))
        v_i  computed as  value          tangent        adjoint
        ---  -----------  -------------  -------------  -------------
        v_0  input        1              1              5.43656365692
        v_1  v_0^2        1              2              2.71828182846
        v_2  exp(v_1)     2.71828182846  5.43656365692  1
    """
    x, tape = require_numbers("x", x), Tape()
    results = _results(program(*(tape.input(value) for value in x)))
    if not 0 <= output < len(results):
        found = f"output={output} of a program with {len(results)} results"
        raise ValueError(describe(found, "an existing output, counted from 0", "use output=0"))
    if direction is None:
        direction = [1.0] + [0.0] * (len(x) - 1)
    tangents = tape.tangents(require_numbers("direction", direction))
    chosen = results[output]
    adjoints = tape.adjoints(chosen) if isinstance(chosen, Node) else [0.0] * len(tangents)
    return TraceTable(
        tuple(
            TraceRow(f"v_{i}", entry.written, entry.value, tangents[i], adjoints[i])
            for i, entry in enumerate(tape.entries)
        )
    )


def forward_jacobian(program: Program, x: Sequence[Real]) -> SweptJacobian:
    """The Jacobian by dual numbers: one pass per input.

    Raises:
        ValueError: if x contains a number that is not finite.

    Example:
        >>> forward_jacobian(lambda x, y: (x * y, x + y, x / y), [6.0, 2.0])
        SweptJacobian(rows=((2.0, 6.0), (1.0, 1.0), (0.5, -1.5)), passes=2)
    """
    x, columns = require_numbers("x", x), []
    for i in range(len(x)):
        duals = (Dual(value, 1.0 if i == j else 0.0) for j, value in enumerate(x))
        results = _results(program(*duals))
        columns.append([r.tangent if isinstance(r, Dual) else 0.0 for r in results])
    return SweptJacobian(tuple(zip(*columns, strict=True)), passes=len(x))


def reverse_jacobian(program: Program, x: Sequence[Real]) -> SweptJacobian:
    """The Jacobian by the tape: the program runs once, then one reverse sweep per output.

    Raises:
        ValueError: if x contains a number that is not finite.

    Example:
        >>> reverse_jacobian(lambda x, y: (x * y, x + y, x / y), [6.0, 2.0])
        SweptJacobian(rows=((2.0, 6.0), (1.0, 1.0), (0.5, -1.5)), passes=3)
    """
    x, tape = require_numbers("x", x), Tape()
    results = _results(program(*(tape.input(value) for value in x)))
    rows = []
    for result in results:
        adjoints = tape.adjoints(result) if isinstance(result, Node) else [0.0] * len(tape.entries)
        rows.append(tuple(adjoints[i] for i in tape.inputs))
    return SweptJacobian(tuple(rows), passes=len(results))


def _results(returned: "Traced | Real | Sequence[Traced | Real]") -> list[Traced | Real]:
    return list(returned) if isinstance(returned, Sequence) else [returned]
