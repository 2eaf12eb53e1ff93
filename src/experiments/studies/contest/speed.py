"""Speed: the number of steps after which a network first reaches an accuracy."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from experiments.reporting.profiles import histories


def steps_to(
    folder: Path, cells: Sequence[str], target: float, key: str = "val/accuracy"
) -> Float64[ndarray, " cells"]:
    """The first evaluated step at which ``key`` is at least ``target``; infinite where it never is.

    It is only as precise as the evaluations are frequent (trainer.evaluations). NaN where nothing was
    recorded, or for a target of NaN.
    """
    history = histories(folder, cells, [key]).get(key)
    if history is None or np.isnan(target):
        return np.full(len(cells), np.nan)
    steps, values = history
    with np.errstate(invalid="ignore"):
        reached = values >= target
    first = np.where(reached.any(axis=1), steps[reached.argmax(axis=1)], np.inf)
    return np.where(np.isnan(values).all(axis=1), np.nan, first)


def at_start(folder: Path, cells: Sequence[str], key: str) -> Float64[ndarray, " cells"]:
    """The first value of a history, before training; NaN where nothing was recorded."""
    history = histories(folder, cells, [key]).get(key)
    return np.full(len(cells), np.nan) if history is None else history[1][:, 0]


def median_steps(steps: Float64[ndarray, " cells"]) -> float:
    """The median over networks: infinite if most never arrive, NaN if nothing is known.

    >>> median_steps(np.array([100.0, 300.0, np.inf]))
    300.0
    """
    known = steps[~np.isnan(steps)]
    return float(np.median(known)) if len(known) else math.nan


def written_steps(steps: float) -> str:
    """Steps in a sentence.

    >>> written_steps(120.0), written_steps(np.inf), written_steps(np.nan)
    ('120 steps', 'never', 'unknown')
    """
    if np.isnan(steps):
        return "unknown"
    return "never" if np.isinf(steps) else f"{steps:g} steps"
