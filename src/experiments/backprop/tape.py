r"""A tape over scalars: reverse-mode automatic differentiation, small enough to read at once.

Running a program records one entry per operation, v_i = op(v_j, v_k). Two sweeps go over the tape::

    forward    v_i' = sum_j (dv_i/dv_j) v_j'                    tangents, from a direction in the inputs
    reverse    adj(v_j) = sum over uses i of adj(v_i) dv_i/dv_j     adjoints, from one output

One reverse sweep gives the derivative of one output with respect to every v_j, so a Jacobian with m
outputs takes m sweeps. This is backpropagation for any program.

References:
    Note 003, "Automatic differentiation"; Baydin et al. (2018), section 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from experiments.backprop.elementary import Elementary, Real, Traced
from experiments.core.errors import describe


@dataclass(frozen=True)
class Entry:
    """One line of the tape: how v_i was computed, its value, and dv_i/dv_j for every operand v_j."""

    written: str
    value: float
    partials: dict[int, float]


class Tape:
    """The operations of a program, in order.

    Example:
        f = v_0 * v_1 + v_0:

        >>> tape = Tape()
        >>> x, y = tape.input(2.0), tape.input(5.0)
        >>> f = x * y + x
        >>> tape.adjoints(f)[:2], tape.tangents([1.0, 0.0])[f.index]
        ([6.0, 2.0], 6.0)
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.inputs: list[int] = []

    def input(self, value: Real, name: str = "input") -> "Node":
        """A new independent variable."""
        self.inputs.append(len(self.entries))
        return self.write(Entry(name, float(value), {}))

    def write(self, entry: Entry) -> "Node":
        """Append an entry and return its node."""
        self.entries.append(entry)
        return Node(self, len(self.entries) - 1)

    def tangents(self, direction: Sequence[Real]) -> list[float]:
        """The tangent of every entry: one forward sweep.

        Raises:
            ValueError: if the direction does not have one number per input.
        """
        if len(direction) != len(self.inputs):
            found = f"a direction of {len(direction)} numbers"
            raise ValueError(describe(found, f"{len(self.inputs)}, one per input", "add the rest"))
        tangents = [0.0] * len(self.entries)
        for index, tangent in zip(self.inputs, direction, strict=True):
            tangents[index] = tangent
        for i, entry in enumerate(self.entries):
            for j, partial in entry.partials.items():
                if tangents[j] != 0:
                    tangents[i] += partial * tangents[j]
        return tangents

    def adjoints(self, output: "Node") -> list[float]:
        """d output / d v_i for every entry: one reverse sweep."""
        adjoints = [0.0] * len(self.entries)
        adjoints[output.index] = 1.0
        for i in range(output.index, -1, -1):
            for j, partial in self.entries[i].partials.items():
                if adjoints[i] != 0:
                    adjoints[j] += partial * adjoints[i]
        return adjoints


@final
class Node(Traced):
    """The number v_i on a tape."""

    def __init__(self, tape: Tape, index: int) -> None:
        self.tape = tape
        self.index = index

    @property
    def value(self) -> float:
        return self.tape.entries[self.index].value

    def apply(self, operation: Elementary, *operands: Traced | Real) -> "Node":
        inputs = [o if isinstance(o, Traced) else float(o) for o in operands]
        for operand in inputs:
            self._require_same_tape(operand)
        values = [o.value if isinstance(o, Traced) else o for o in inputs]
        names = [f"v_{o.index}" if isinstance(o, Node) else f"{o:.6g}" for o in inputs]
        value = operation.value(*values)
        partials: dict[int, float] = {}
        for operand, partial in zip(inputs, operation.partials(value, *values), strict=True):
            if isinstance(operand, Node):  # in v * v both partials belong to v and are added
                partials[operand.index] = partials.get(operand.index, 0.0) + partial
        return self.tape.write(Entry(operation.written(*names), value, partials))

    def _require_same_tape(self, operand: Traced | Real) -> None:
        if isinstance(operand, float) or (isinstance(operand, Node) and operand.tape is self.tape):
            return
        found = f"{operand!r}, which is not on this tape"
        raise TypeError(describe(found, "numbers of one tape", "trace one program at a time"))

    def __repr__(self) -> str:
        return f"v_{self.index} = {self.value!r}"
