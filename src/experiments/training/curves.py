"""What the loggers of one run are told while its stack trains."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from experiments.core.logger import CellLogger
from experiments.core.probe import StepPass
from experiments.core.shapes import layer_name


class Curves:
    """One run's loggers.

    Args:
        loggers: any number of them, or none.
        columns: of the ledger.
        layers: with weights.
    """

    def __init__(self, loggers: Sequence[CellLogger], columns: Sequence[str], layers: int) -> None:
        self.loggers = loggers
        self._columns = columns
        self._layers = [layer_name(k) for k in range(layers)]
        self._told = 0

    @cached_property
    def _tags(self) -> list[str]:
        """Column by column, every layer."""
        return [f"{name}/{layer}" for name in self._columns for layer in self._layers]

    def evaluated(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point of the learning curves."""
        for logger in self.loggers:
            logger.scalars(step, numbers)

    def recorded(self, records: Sequence[tuple[int, np.ndarray]]) -> None:
        """Pass on those of all records so far, (step, (layers, columns)), that are new."""
        fresh, self._told = records[self._told :], len(records)
        for step, table in fresh if self.loggers else ():
            numbers = dict(zip(self._tags, table.T.ravel().tolist(), strict=True))
            for logger in self.loggers:
                logger.scalars(step, numbers)

    def distributions(self, step: int, record: StepPass, r: int) -> None:
        """Activations and weight gradients of every layer of the stack's r-th run."""
        for logger in self.loggers:
            for k, layer in enumerate(self._layers):
                logger.histogram(step, f"activation/{layer}", record.a[k][r])
                gradient = record.weight_gradient[k][r]
                logger.histogram(step, f"weight_gradient/{layer}", gradient)
