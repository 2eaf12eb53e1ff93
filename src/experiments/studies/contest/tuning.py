"""Arms of a contest: one head at one setting, at the learning rate that suits it best."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pandas import DataFrame

from experiments.reporting.configurations import configurations
from experiments.studies.contest.heads import HEAD, settings_of
from experiments.studies.reading.tuning import by_rate, edge_of

ACCURACY, LOSS = "val/accuracy", "val/loss"
#: validation accuracies so close are one plateau
PLATEAU = 0.005


@dataclass(frozen=True)
class Arm:
    """One head at one setting, at every learning rate that was tried.

    Args:
        head: its name.
        setting: the setting in words; arms of one setting are compared.
        values: the setting by axis.
        tried: rate -> one row a seed, rates ascending; see ``by_rate``.
    """

    head: str
    setting: str
    values: Mapping[str, Any]
    tried: Mapping[float, DataFrame]

    @cached_property
    def rate(self) -> float:
        """The rate with the best mean validation accuracy; among equals, the lowest validation loss.

        The loss decides alone where there is no accuracy. A seed that diverged counts as chance, so a
        rate at which half the seeds are lost does not win by the other half.
        """
        return max(self.tried, key=lambda rate: _score(self.tried[rate]))

    @cached_property
    def rows(self) -> DataFrame:
        """One row a seed, at the best rate."""
        return self.tried[self.rate]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The same rows one by one."""
        records: list[dict[str, Any]] = self.rows.to_dict("records")
        return records

    @property
    def edge(self) -> str:
        """``"lowest"`` or ``"highest"`` if the best rate is the last one tried on that side, or ""."""
        return edge_of(list(self.tried), self.rate)

    @property
    def rising(self) -> bool:
        """Whether the best rate is the last one tried and clearly better than the one next to it.

        On a plateau the last of several equal rates may come out best, and a wider grid would change nothing.
        """
        if not self.edge:
            return False
        rates = list(self.tried)
        beside = self.tried[rates[1] if self.edge == "lowest" else rates[-2]]
        best, second = _score(self.rows), _score(beside)
        return best[0] > second[0] + PLATEAU if ACCURACY in beside else best > second

    def at(self, rate: float) -> DataFrame:
        """One row a seed at that rate; none where it was not tried."""
        return self.tried.get(rate, self.rows.iloc[:0])


def arms_of(rows: DataFrame) -> list[Arm]:
    """Every head at every setting, in the order of settings.

    Args:
        rows: from ``with_heads``.
    """
    axes = settings_of(rows)
    arms = []
    for setting in configurations(rows, axes):
        for head, mine in setting.rows.groupby(HEAD, sort=False):
            label = setting.label if axes else ""
            values = dict(zip(axes, setting.values, strict=True))
            arms.append(Arm(str(head), label, values, by_rate(mine)))
    return arms


def _score(rows: DataFrame) -> tuple[float, float]:
    """What the best rate has most of: mean validation accuracy; among equals, minus the mean loss."""
    accuracy, loss = (
        rows[key].to_numpy(np.float64, na_value=np.nan) if key in rows else np.array([np.nan])
        for key in (ACCURACY, LOSS)
    )
    right = float(np.where(np.isfinite(accuracy), accuracy, 0.0).mean())
    return right, -float(loss.mean()) if np.isfinite(loss).all() else -np.inf
