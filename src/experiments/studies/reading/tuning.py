"""Networks at the learning rate that suits them best: chosen on validation data, one rate for all seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

LR = "optimizer.lr"
CHOSEN_BY = "val/loss"


@dataclass(frozen=True)
class Tuned:
    """Networks that differ in learning rate and seed alone.

    Args:
        tried: rate -> one row a seed, rates ascending; see ``by_rate``.
    """

    tried: Mapping[float, DataFrame]

    @cached_property
    def rate(self) -> float:
        """The rate that loses the fewest seeds and, among those, has the least mean validation loss."""
        return min(self.tried, key=lambda rate: _cost(self.tried[rate]))

    @property
    def written_rate(self) -> str:
        """The best rate for a table; a dash where there is no learning rate."""
        return "–" if math.isnan(self.rate) else f"{self.rate:g}"

    @cached_property
    def rows(self) -> DataFrame:
        """One row a seed at the best rate, by seed."""
        return self.tried[self.rate].sort_values("seed")

    @property
    def edge(self) -> str:
        """``"lowest"`` or ``"highest"`` if the best rate is the last one tried on that side, or ""."""
        return edge_of(list(self.tried), self.rate)

    def at_best(self, column: str) -> Float64[ndarray, " seeds"]:
        """A column at the best rate, by seed; NaN for what was not measured."""
        if column not in self.rows:
            return np.full(len(self.rows), np.nan)
        return np.asarray(self.rows[column].to_numpy(np.float64, na_value=np.nan))


def edge_of(rates: Sequence[float], best: float) -> str:
    """On which side the best of ascending rates is the last one tried: "lowest", "highest" or "".

    >>> edge_of([0.1, 1.0, 10.0], 10.0), edge_of([0.1, 1.0, 10.0], 1.0), edge_of([0.1], 0.1)
    ('highest', '', '')
    """
    if len(rates) < 2 or best not in (rates[0], rates[-1]):
        return ""
    return "lowest" if best == rates[0] else "highest"


def tuned(rows: DataFrame) -> Tuned:
    """From rows that differ in learning rate and seed alone.

    Example:
        >>> seeds = {"seed": [0, 1, 0, 1], "status": ["finished"] * 4}
        >>> rates = {"optimizer.lr": [0.1, 0.1, 1.0, 1.0], "val/loss": [0.5, 0.4, 0.3, np.nan]}
        >>> networks = tuned(DataFrame(seeds | rates))
        >>> networks.rate, networks.edge
        (0.1, 'lowest')
    """
    return Tuned(by_rate(rows))


def by_rate(rows: DataFrame) -> dict[float, DataFrame]:
    """The rows of every learning rate, rates ascending; NaN is the rate of rows that have none."""
    rates = rows[LR] if LR in rows else rows["seed"] * np.nan
    return {float(rate): part for rate, part in rows.groupby(rates, dropna=False, sort=True)}


def _cost(rows: DataFrame) -> tuple[int, float]:
    """Seeds without a finite validation loss, and the mean loss of the others."""
    loss = rows[CHOSEN_BY] if CHOSEN_BY in rows else rows["seed"] * np.nan
    values = loss.where(rows["status"] == "finished").to_numpy(np.float64, na_value=np.nan)
    finite = values[np.isfinite(values)]
    return len(values) - len(finite), float(finite.mean()) if len(finite) else np.inf
