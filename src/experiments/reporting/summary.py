"""One row per configuration: the number of seeds, how they ended, and each metric with its interval."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.reporting.configurations import Configuration, headings
from experiments.reporting.intervals import mean_interval
from experiments.reporting.tables import DIGITS, number

#: configurations are ranked by the first of these that was measured
PREFERRED = ("val/accuracy", "val/loss", "train/accuracy", "train/loss")
#: bounds closer together than this relative difference are equal up to rounding
SAME = 1e-6


def main_metric(results: DataFrame) -> str | None:
    """The metric to judge by, or None if none was measured.

    >>> main_metric(DataFrame({"val/accuracy": [float("nan")], "val/loss": [0.3]}))
    'val/loss'
    """
    return next((key for key in PREFERRED if key in results and results[key].notna().any()), None)


def seed_values(rows: DataFrame, metric: str) -> Float64[ndarray, " seeds"]:
    """A metric's values over seeds: NaN for a diverged cell; failed cells are left out.

    A diverged network still has an argmax, but its accuracy is meaningless.

    >>> ends = {"status": ["finished", "diverged", "failed"], "val/accuracy": [0.9, 0.1, 0.5]}
    >>> seed_values(DataFrame(ends), "val/accuracy")
    array([0.9, nan])
    """
    over = rows[rows["status"] != "failed"]
    values = over[metric].to_numpy(np.float64, na_value=np.nan)
    return np.where(over["status"] == "diverged", np.nan, values)


def metric_interval(rows: DataFrame, metric: str) -> Interval:
    """Mean of a metric over the seeds of one configuration; non-finite values are counted."""
    return mean_interval(seed_values(rows, metric))


def summarise(
    groups: Sequence[Configuration],
    axes: Sequence[str],
    numbers: Mapping[str, Sequence[Interval]],
) -> DataFrame:
    """The summary table: axes, seeds, statuses, then every number and its interval.

    Args:
        groups: the configurations, one row each.
        axes: the axes they differ in, in the order of their values.
        numbers: for each heading, one interval per configuration.
    """
    columns: dict[str, list[object]] = {
        name: [group.values[k] for group in groups] for k, name in enumerate(headings(axes))
    }
    columns["seeds"] = [len(group.rows) for group in groups]
    for status in ("diverged", "failed"):
        counts = [int((group.rows["status"] == status).sum()) for group in groups]
        if any(counts):
            columns[status] = list(counts)
    for heading, intervals in numbers.items():
        columns[heading] = [interval.value for interval in intervals]
        columns[f"{heading}: 95 %"] = [bounds(interval) for interval in intervals]
    return DataFrame(columns)


def bounds(interval: Interval) -> str:
    """The bounds as text, for the column after the number, which they always contain as written.

    Three digits; as many as the number has, if three would hide the width or exclude the number; and if
    those hide the width too, the bounds are rounded outward.

    >>> bounds(Interval(0.5, 0.25, 0.75, 9)), bounds(Interval(0.5, float("nan"), float("nan"), 1))
    ('[0.25, 0.75]', 'one seed, no interval')
    >>> bounds(Interval(1.068, 1.0657, 1.0703, 9)), bounds(Interval(1.502, 1.50196, 1.50204, 9))
    ('[1.066, 1.07]', '[1.501, 1.503]')
    """
    if not interval.known:
        return interval.note
    low, high = _written(interval)
    return ", ".join(filter(None, (f"[{low}, {high}]", interval.note)))


def _written(interval: Interval) -> tuple[str, str]:
    low, high = interval.low, interval.high
    shown = float(f"{interval.value:.{DIGITS}g}")  # as written in the column before
    for digits in (3, DIGITS):
        words = f"{low:.{digits}g}", f"{high:.{digits}g}"
        below, above = map(float, words)
        if below <= shown <= above and (below < above or high - low <= SAME * abs(high)):
            return words
    outward = (
        Context(prec=DIGITS, rounding=rounding).create_decimal(repr(bound))
        for bound, rounding in ((low, ROUND_FLOOR), (high, ROUND_CEILING))
    )
    down, up = (number(float(bound)) for bound in outward)
    return down, up
