"""One run's curves, passed on to every writer while its stack trains."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from experiments.core.logger import CurveWriter
from experiments.core.probe import StepPass
from experiments.core.shapes import layer_name


class Curves:
    """The writers of one run.

    Args:
        writers: any number of them, or none.
        columns: names of the ledger's columns.
        layers: number of layers with weights.
    """

    def __init__(self, writers: Sequence[CurveWriter], columns: Sequence[str], layers: int) -> None:
        self.writers = writers
        self._columns = columns
        self._layers = [layer_name(k) for k in range(layers)]
        self._written = 0  # records

    @cached_property
    def _tags(self) -> list[str]:
        """Column by column, every layer."""
        return [f"{name}/{layer}" for name in self._columns for layer in self._layers]

    def evaluated(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point of the learning curves."""
        for writer in self.writers:
            writer.scalars(step, numbers)

    def recorded(self, records: Sequence[tuple[int, np.ndarray]]) -> None:
        """Given all records so far, (step, (layers, columns)), write the new ones."""
        new, self._written = records[self._written :], len(records)
        for step, table in new if self.writers else ():
            numbers = dict(zip(self._tags, table.T.ravel().tolist(), strict=True))
            for writer in self.writers:
                writer.scalars(step, numbers)


def show_distributions(curves: Mapping[int, Curves], step: int, record: StepPass) -> None:
    """Write activations and weight gradients of every layer of some runs of a stack, one transfer each.

    Args:
        curves: of these runs, by their place in the stack.
        step: of the record.
        record: holds every layer of all runs, on the stack's device.
    """
    if not any(one.writers for one in curves.values()):
        return
    for k in range(len(record.max_derivative)):
        shown = {"activation": record.a[k], "weight_gradient": record.weight_gradient[k]}
        for name, values in shown.items():
            on_host = values.cpu()
            for r, one in curves.items():
                for writer in one.writers:
                    writer.histogram(step, f"{name}/{layer_name(k)}", on_host[r])
