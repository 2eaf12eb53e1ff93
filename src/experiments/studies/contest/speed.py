"""Speed: after how many steps a network first reaches an accuracy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from experiments.reporting.profiles import histories


def steps_to(
    folder: Path, cells: Sequence[str], target: float, key: str = "val/accuracy"
) -> Float64[ndarray, " cells"]:
    """The first evaluated step at which ``key`` is at least ``target``; infinite where it never was.

    The answer is as fine as the evaluations are (trainer.evaluations). NaN where nothing was recorded or no
    target is known.
    """
    found = histories(folder, cells, [key])
    if key not in found or np.isnan(target):
        return np.full(len(cells), np.nan)
    steps, values = found[key]
    with np.errstate(invalid="ignore"):
        reached = values >= target
    first = np.where(reached.any(axis=1), steps[reached.argmax(axis=1)], np.inf)
    return np.where(np.isnan(values).all(axis=1), np.nan, first)


def at_start(folder: Path, cells: Sequence[str], key: str) -> Float64[ndarray, " cells"]:
    """The first value of a history, before training; NaN where nothing was recorded."""
    found = histories(folder, cells, [key])
    return found[key][1][:, 0] if key in found else np.full(len(cells), np.nan)


def median_steps(steps: Float64[ndarray, " cells"]) -> float:
    """The middle network's steps: infinite if most never arrive, NaN if nothing is known.

    >>> median_steps(np.array([100.0, 300.0, np.inf]))
    300.0
    """
    known = np.sort(steps[~np.isnan(steps)])
    if not len(known):
        return float("nan")
    low, high = known[(len(known) - 1) // 2], known[len(known) // 2]
    return float(low if low == high else (low + high) / 2)


def written_steps(steps: float) -> str:
    """Steps in a sentence.

    >>> written_steps(120.0), written_steps(np.inf), written_steps(np.nan)
    ('120 steps', 'never', 'unknown')
    """
    if np.isnan(steps):
        return "unknown"
    return "never" if np.isinf(steps) else f"{steps:g} steps"
