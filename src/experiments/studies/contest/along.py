"""A contest as a function of one axis: label noise, imbalance, number of examples, depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pandas import DataFrame, concat

from experiments.core.interval import Interval
from experiments.core.study import Figure, Table
from experiments.reporting.configurations import metric_name, short, text
from experiments.reporting.figures import Axis, Curve, Panel, against_axis
from experiments.reporting.intervals import mean_interval
from experiments.reporting.summary import bounds
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.duels import seed_means
from experiments.studies.contest.heads import HEAD
from experiments.studies.reading.tuning import LR


@dataclass(frozen=True)
class Along:
    """The arms of a contest in order of one axis.

    Args:
        contest: where the arms come from.
        axis: the config key; a contest that does not vary it has one value.
        rate: a learning rate for all, or None for each arm's own.
    """

    contest: Contest
    axis: str
    rate: float | None = None

    @staticmethod
    def of(contest: Contest, axis: str, rate: float | None = None) -> "Along | None":
        """The contest along that axis; None if no cell has a value of it."""
        if axis not in contest.rows or not contest.rows[axis].notna().any():
            return None
        return Along(contest, axis, rate)

    @cached_property
    def rows(self) -> DataFrame:
        """One row a network, with ``where``: its setting but for this axis."""
        parts = []
        for arm in self.contest.arms:
            mine = arm.rows if self.rate is None else arm.at(self.rate)
            rest = [f"{key}={value}" for key, value in arm.values.items() if key != self.axis]
            parts.append(mine.assign(where=" ".join(rest)))
        return concat(parts)

    @cached_property
    def values(self) -> list[float]:
        """Where on the axis there are networks, ascending."""
        return sorted(float(value) for value in self.rows[self.axis].dropna().unique())

    def at(self, head: str, value: int | float) -> DataFrame:
        """A head's networks at one value of the axis; other axes are pooled."""
        return self.rows[(self.rows[HEAD] == head) & (self.rows[self.axis] == value)]

    def mean(self, head: str, value: int | float, metric: str) -> Interval:
        """A metric's mean over seeds; networks that differ in other axes alone are one draw."""
        return mean_interval(seed_means(self.at(head, value), metric))

    def lead(self, head: str, rival: str, value: int | float, metric: str) -> Interval:
        """Mean over seeds of a head's metric minus its rival's at the same setting and seed."""
        if metric not in self.rows:
            return mean_interval(np.empty(0))
        a, b = (
            self.at(name, value).groupby(["seed", "where"])[metric].mean() for name in (head, rival)
        )
        a, b = a.align(b, join="inner")
        difference = (a - b).round(12)  # a tie is 0 and not 1e-17
        return mean_interval(difference.groupby("seed").mean().to_numpy(np.float64))

    def change(self, head: str, start: float, end: float, metric: str) -> Interval:
        """Mean over seeds of a head's metric at ``end`` minus that of the same seed at ``start``."""
        if metric not in self.rows:
            return mean_interval(np.empty(0))
        first, last = (
            self.at(head, value).groupby("seed")[metric].mean() for value in (start, end)
        )
        first, last = first.align(last, join="inner")
        return mean_interval((last - first).to_numpy(np.float64))

    def figure(
        self,
        metrics: Sequence[str],
        x: str,
        title: str,
        caption: str,
        levels: tuple[tuple[str, float], ...] = (),
    ) -> Figure | None:
        """One panel a metric, one line a head; None where nothing was measured.

        Args:
            metrics: columns of the rows, all on one scale.
            x: the axis in words.
            title: name of the figure.
            caption: what the figure shows.
            levels: horizontal reference lines; those that are not finite are left out.
        """
        known = tuple(level for level in levels if np.isfinite(level[1]))
        panels = []
        for metric in metrics:
            curves = tuple(
                Curve(
                    head,
                    np.array(self.values),
                    [seed_means(self.at(head, value), metric) for value in self.values],
                )
                for head in self.contest.heads
            )
            if any(np.isfinite(s).any() for curve in curves for s in curve.samples):
                panels.append(Panel(metric_name(metric), curves, known))
        if not panels:
            return None
        low, high = self.values[0], self.values[-1]
        axis = Axis(x, logarithmic=low > 0 and high / low > 20)
        alone = panels[0].title if len(panels) == 1 else ""
        if alone:
            panels = [Panel("", panels[0].curves, known)]
        return against_axis(panels, axis, Axis(alone), title, caption)

    def table(self, metrics: Sequence[str], title: str, caption: str) -> Table:
        """One row for each value of the axis and head."""
        rows = []
        for value in self.values:
            for head in self.contest.heads:
                mine = self.at(head, value)
                if not len(mine):
                    continue
                row = {short(self.axis): value, "head": head, "seeds": mine["seed"].nunique()}
                if LR in mine and self.rate is None:
                    row["rate"] = ", ".join(text(rate) for rate in mine[LR].unique())
                for k, metric in enumerate(key for key in metrics if key in mine):
                    interval = mean_interval(seed_means(mine, metric))
                    row[metric_name(metric)] = interval.value
                    row["95 %" + " " * k] = bounds(interval)
                rows.append(row)
        return Table(title, caption, DataFrame(rows))
