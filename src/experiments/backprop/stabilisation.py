"""The record of a gradient descent, and the test whether the cost of a run has stabilised."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe


@dataclass(frozen=True)
class Descent:
    """The course of a gradient descent.

    Attributes:
        steps: the steps at which C was recorded: 0, every ``record_every`` steps, and the last.
        losses: C over the whole data set, without penalties; (records,) or (records, R).
        stabilised: whether C stopped changing, () or (R,); False without a tolerance.
        updates: number of updates of each run, () or (R,).
    """

    steps: list[int]
    losses: Float[Tensor, "records *runs"]
    stabilised: Bool[Tensor, "*runs"]
    updates: Int[Tensor, "*runs"]


class DescentRecord:
    """Records C, and decides which runs have stabilised.

    Args:
        tolerance: a run has stabilised when |C - C_before| <= tolerance |C_before| for ``patience``
            records in a row; None switches this off.
        patience: at least 1.

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
            self._unchanged = torch.zeros_like(cost, dtype=torch.long)
            self._updates = torch.zeros_like(cost, dtype=torch.long)
        elif self._tolerance is not None:
            before = self._losses[-1]
            unchanged = (cost - before).abs() <= self._tolerance * before.abs()
            self._unchanged = torch.where(unchanged, self._unchanged + 1, 0)
        self._updates = torch.where(self._running, step, self._updates)
        if self._tolerance is not None:
            self._running = (
                self._running & (self._unchanged < self._patience) & torch.isfinite(cost)
            )
        self._steps.append(step)
        self._losses.append(cost)

    @property
    def over(self) -> bool:
        """Whether all runs have stopped."""
        return self._tolerance is not None and not bool(self._running.any())

    @property
    def running(self) -> Tensor:
        """Which runs continue, () or (R,)."""
        return self._running

    def descent(self) -> Descent:
        """The record so far."""
        return Descent(
            self._steps, torch.stack(self._losses), self._unchanged >= self._patience, self._updates
        )
