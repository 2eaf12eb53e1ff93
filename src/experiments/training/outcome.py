"""The results of one run, collected while its stack trains."""

import math
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from experiments.core.cell import Status
from experiments.core.shapes import FIRST_WEIGHT_LAYER


@dataclass
class Outcome:
    """One run's results.

    Attributes:
        status: finished or diverged; failed cells have no outcome.
        steps: optimiser steps taken.
        diverged_at: the step whose loss was not finite, or None.
        stopped_at: the step at which it was stopped because its loss no longer fell, or None.
        metrics: final ``train/loss``, ``val/accuracy``, ... on whole splits.
        history: ``step``, ``train/loss`` (mean batch loss since the previous evaluation),
            ``val/loss``, ``val/accuracy``; one entry per evaluation.
        recorded: (step, (layers, columns)) of every ledger record.
        state: the final parameters, as an MLP of this run alone would have them.
        seconds: this run's share of the stack's wall time; all shares add up to it.
        facts: device, precision, threads and the like.
    """

    status: Status = "finished"
    steps: int = 0
    diverged_at: int | None = None
    stopped_at: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    recorded: list[tuple[int, np.ndarray]] = field(default_factory=list)
    state: dict[str, Tensor] | None = None
    seconds: float = math.nan
    facts: dict[str, object] = field(default_factory=dict)

    def evaluated(self, step: int, numbers: dict[str, float]) -> None:
        """Add one point to the history."""
        for name, value in {"step": float(step), **numbers}.items():
            self.history.setdefault(name, []).append(value)

    def ledger(self, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
        """The ledger as columns: step, layer (the notes' l) and the recorded numbers."""
        if not self.recorded:
            empty: dict[str, np.ndarray] = {"step": np.empty(0, int), "layer": np.empty(0, int)}
            return empty | {name: np.empty(0) for name in columns}
        layers = self.recorded[0][1].shape[0]
        steps = [step for step, _ in self.recorded]
        table = np.concatenate([numbers for _, numbers in self.recorded])
        return {
            "step": np.repeat(np.asarray(steps), layers),
            "layer": np.tile(np.arange(layers) + FIRST_WEIGHT_LAYER, len(steps)),
        } | {name: table[:, c] for c, name in enumerate(columns)}
