"""What a descent records, and when a run's cost has stabilised."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe


@dataclass(frozen=True)
class Descent:
    """How a descent went.

    Attributes:
        steps: when C was recorded: 0, every so many steps, and the end.
        losses: C over the whole data set, without penalties; (records,) or (records, R).
        stabilised: whether C stopped changing, () or (R,); False where that was not asked.
        updates: how many updates the run made, () or (R,).
    """

    steps: list[int]
    losses: Float[Tensor, "records *runs"]
    stabilised: Bool[Tensor, "*runs"]
    updates: Int[Tensor, "*runs"]


class DescentRecord:
    """Collects C, and stops runs one by one.

    Args:
        tolerance: a run has stabilised when |C - C_before| <= tolerance |C_before|, ``patience``
            records in a row; None never.
        patience: from 1.

    Raises:
        ConfigurationError: for a tolerance below 0.
    """

    def __init__(self, tolerance: float | None, patience: int) -> None:
        number = isinstance(tolerance, (int, float))
        if tolerance is not None and not (number and 0 <= tolerance < math.inf):
            remedy = "give a share of C such as 1e-6, or None"
            raise ConfigurationError(
                describe(f"tolerance={tolerance!r}", "a number from 0", remedy)
            )
        self._tolerance = tolerance
        self._patience = patience
        self._steps: list[int] = []
        self._losses: list[Tensor] = []

    def add(self, step: int, cost: Tensor) -> None:
        """Record C of every run after ``step`` updates."""
        cost = cost.clone()
        if not self._losses:
            self._running = torch.ones_like(cost, dtype=torch.bool)
            self._calm = torch.zeros_like(cost, dtype=torch.long)
            self._updates = torch.zeros_like(cost, dtype=torch.long)
        elif self._tolerance is not None:
            before = self._losses[-1]
            calm = (cost - before).abs() <= self._tolerance * before.abs()
            self._calm = torch.where(calm, self._calm + 1, 0)
        self._updates = torch.where(self._running, step, self._updates)
        if self._tolerance is not None:
            self._running = self._running & (self._calm < self._patience) & torch.isfinite(cost)
        self._steps.append(step)
        self._losses.append(cost)

    @property
    def over(self) -> bool:
        """Whether no run has anything left to do."""
        return self._tolerance is not None and not bool(self._running.any())

    @property
    def running(self) -> Tensor:
        """Which runs go on, () or (R,)."""
        return self._running

    def descent(self) -> Descent:
        """Everything recorded."""
        return Descent(
            self._steps, torch.stack(self._losses), self._calm >= self._patience, self._updates
        )
