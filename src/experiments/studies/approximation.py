"""Does training find the approximation that the theorem promises, and what do more neurons bring?

Networks learn a function on [0, 1] from 1,000 points. Their largest error on other points is compared with
that of a network of one hidden layer and as many neurons that can be written down: a staircase of steep
sigmoids, or straight pieces between N + 1 points of the function for activations that are flat on one side.

References:
    Cybenko (1989); Hornik (1991); notes 003.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame, Series, concat

from experiments.core.errors import ConfigurationError
from experiments.core.interval import Interval
from experiments.core.study import Figure, Findings, Study, Table, Verdict
from experiments.data import UnitCube
from experiments.reporting.figures import Axis, Curve, Panel, against_axis
from experiments.reporting.intervals import mean_interval, paired_difference, slope_interval
from experiments.studies.reading.family import DEPTH
from experiments.studies.reading.rooms import activation_of, dataset_of
from experiments.studies.reading.tuning import Tuned, tuned
from experiments.studies.reading.verdicts import (
    NOTHING,
    counted,
    decided,
    listed,
    over,
    unanswered,
)
from experiments.theory.approximation import written_down

WIDTH = "model.width"
ERROR, SQUARE = "test/largest_error", "test/loss"
#: points at which the largest error of a network that is written down is searched
GRID = 100_001
#: points at a time, so that wide networks need no more memory
PIECE = 4096
#: the error of a staircase falls with this power of the number of neurons
PROMISED = -1.0


@dataclass(frozen=True)
class Networks:
    """One activation and depth: the widths that were trained, each at its best learning rate.

    Args:
        activation: its name.
        depth: number of hidden layers.
        by_width: width -> its seeds at every rate, widths ascending.
    """

    activation: str
    depth: int
    by_width: Mapping[int, Tuned]

    @cached_property
    def log10_errors(self) -> DataFrame:
        """log10 of the largest error: a row for every seed, a column for every width."""
        with np.errstate(divide="ignore"):
            columns = {
                width: Series(np.log10(best.at_best(ERROR)), best.rows["seed"])
                .groupby(level=0)
                .mean()
                for width, best in self.by_width.items()
            }
        return concat(columns, axis=1)

    @cached_property
    def written(self) -> Float64[ndarray, " widths"]:
        """The largest error of the network that can be written down; NaN where none is known."""
        row = next(iter(self.by_width.values())).rows.iloc[0].to_dict()
        return np.array([_written_error(row, width) for width in self.by_width])

    def at(self, width: int) -> Interval:
        """The largest error at a width, geometric mean over seeds."""
        return mean_interval(self.log10_errors[width].to_numpy()).map(_power)

    def slope(self) -> Interval:
        """The power of the number of neurons by which the error changes."""
        table = self.log10_errors
        x = np.log10(table.columns.to_numpy(np.float64))
        return slope_interval(x, table.to_numpy() if len(x) > 1 else np.empty((0, len(x))))


@final
class Approximation(Study):
    """Activation x depth x width x learning rate x seed, on a function of one variable."""

    question: ClassVar[str] = (
        "Does training find the approximation that the theorem promises, and what do more neurons bring?"
    )
    claim: ClassVar[str] = (
        "With one hidden layer, each network at the learning rate that validation chooses, the largest error "
        "falls at least as fast as 1/N with the number N of neurons, as the error of a network does that can "
        "be written down."
    )
    refuted_by: ClassVar[str] = (
        "An activation for which the interval of the slope of log error against log N lies above -1."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        if ERROR not in rows or rows[ERROR].isna().all():
            return unanswered("No cell has measured its largest error (metric=largest_error).")
        found = list(_networks(rows))
        shallow = [networks for networks in found if networks.depth == 1]
        verdicts = (_fall(shallow), *_beside_written(shallow), *_deeper(found), *_edges(found))
        return Findings(verdicts, (_table(found),), (_figure(found),))


def _networks(rows: DataFrame) -> Iterator[Networks]:
    for (activation, depth), group in rows.groupby(["activation", DEPTH], sort=True):
        by_width = {int(width): tuned(part) for width, part in group.groupby(WIDTH, sort=True)}
        if by_width:
            yield Networks(str(activation), int(depth), by_width)


def _written_error(row: Mapping[str, Any], neurons: int) -> float:
    try:
        data, sigma = dataset_of(row), activation_of(row)
    except ConfigurationError:  # not of this package
        return np.nan
    if not isinstance(data, UnitCube) or data.dimension > 1:
        return np.nan
    network = written_down(sigma, data.target, neurons)
    if network is None:
        return np.nan
    pieces = torch.linspace(0.0, 1.0, GRID, dtype=torch.float64).split(PIECE)
    return max(float((network(x) - data.target(x[:, None])).abs().max()) for x in pieces)


def _fall(shallow: Sequence[Networks]) -> Verdict:
    """The claim: how the trained error changes with the number of neurons."""
    slopes = [(networks.activation, networks.slope()) for networks in shallow]
    known = [(name, slope) for name, slope in slopes if slope.seeds]
    if not known:
        return Verdict("No activation has several widths of one hidden layer.", "undecided")
    parts = ", ".join(f"{name} {slope}" for name, slope in known)
    return Verdict(
        f"With one hidden layer of N neurons the largest error changes like N to the power: {parts}; "
        f"written down, a staircase has {PROMISED:g} and straight pieces have {2 * PROMISED:g}.",
        decided(*(slope.within(-np.inf, PROMISED) for _, slope in known)),
    )


def _beside_written(shallow: Sequence[Networks]) -> Iterator[Verdict]:
    """Trained against written down, with the fewest and with the most neurons."""
    for networks in shallow:
        widths = list(networks.by_width)
        if np.isnan(networks.written).any():
            continue
        fewest_and_most = sorted({0, len(widths) - 1})
        parts = [
            f"{networks.at(widths[k])} trained and {networks.written[k]:.3g} written down with "
            f"{counted(widths[k], 'neuron')}"
            for k in fewest_and_most
        ]
        yield Verdict(
            f"Largest error of {networks.activation} with one hidden layer: {'; '.join(parts)}.",
            "measured",
        )


def _deeper(found: Sequence[Networks]) -> Iterator[Verdict]:
    """What more layers of the same width do to the error."""
    shallow = {networks.activation: networks for networks in found if networks.depth == 1}
    parts = []
    for deep in found:
        one = shallow.get(deep.activation, deep)
        shared = set(one.by_width) & set(deep.by_width)
        if one is deep or not shared:
            continue
        width = max(shared)
        pairs = concat([deep.log10_errors[width], one.log10_errors[width]], axis=1).dropna()
        ratio = paired_difference(*pairs.to_numpy().T).map(_power)
        parts.append(f"{deep.activation} with {deep.depth} layers of {width}: {ratio}")
    if parts:
        yield Verdict(
            f"Largest error over that of one layer of the same width: {'; '.join(parts)}.",
            "measured",
        )


def _edges(found: Sequence[Networks]) -> Iterator[Verdict]:
    """A warning where another rate might do better than all that were tried."""
    at_edge = [
        f"{networks.activation} with {counted(networks.depth, 'layer')} of {width} ({best.edge})"
        for networks in found
        for width, best in networks.by_width.items()
        if best.edge
    ]
    if at_edge:
        yield Verdict(
            f"The best rate is the last one tried, so another may do better: {listed(at_edge)}.",
            "measured",
        )


def _table(found: Sequence[Networks]) -> Table:
    rows = [
        {
            "activation": networks.activation,
            "depth": networks.depth,
            "width": width,
            "rate": best.written_rate,
            "largest error": str(networks.at(width)),
            "mean square error": str(mean_interval(best.at_best(SQUARE))),
            "written down": networks.written[k] if networks.depth == 1 else np.nan,
        }
        for networks in found
        for k, (width, best) in enumerate(networks.by_width.items())
    ]
    caption = (
        "On test points, at the rate that validation chooses: geometric mean of the largest error over "
        "seeds, mean of the mean square error, with their intervals. Written down: largest error on "
        f"{GRID:,} points of a network of one hidden layer that needs no training."
    )
    return Table("Every network", caption, DataFrame(rows))


def _figure(found: Sequence[Networks]) -> Figure:
    panels = []
    for depth in sorted({networks.depth for networks in found}):
        curves = tuple(
            Curve(
                networks.activation,
                np.array(list(networks.by_width), np.float64),
                [column.dropna().to_numpy() for _, column in networks.log10_errors.items()],
                np.log10(networks.written) if depth == 1 else None,
            )
            for networks in found
            if networks.depth == depth
        )
        panels.append(Panel(counted(depth, "hidden layer"), curves))
    caption = (
        "Largest error on test points against neurons per layer, at the best rate. Dashed: a network of one "
        "hidden layer that is written down, a staircase or, far below, straight pieces."
    )
    return against_axis(
        panels,
        Axis("neurons per layer", logarithmic=True),
        Axis("largest error", decades=True),
        "What training finds, and what could be written down",
        caption,
    )


def _power(exponent: float) -> float:
    return float(10.0**exponent)
