"""The ten points of Higham & Higham (2019): does the published curve come out, and for how many starts?

Their network has 23 parameters, W, b ~ N(0, 1/4), and sees one point a step, drawn with replacement. They
show one start. Its cost is plotted without the 1/(2N) of their formula: sum_d ||y_d - a_d||^2 over N = 10
points, 20 times the paper's C. Drawn here for many starts, and once more with the cross-entropy, whose
delta^[L] = a - y lacks the factor a (1 - a) that holds the squared error on its plateaus.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame, Series, concat

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.intervals import share_interval
from experiments.reporting.summary import bounds
from experiments.studies.higham_figures import cost_curves, decision_regions
from experiments.studies.reading.grouping import present
from experiments.studies.reading.medians import median_interval
from experiments.studies.reading.starts import Starts, starts_of
from experiments.studies.reading.verdicts import NOTHING, decided, over, unanswered

SQUARED, ENTROPY = "half_squared_error", "binary_cross_entropy"
#: read off the published figure, one start
PUBLISHED = {0: 5.3, 50_000: 2.6, 200_000: 1e-2, 500_000: 2e-3, 1_000_000: 7.5e-4}
#: the steps of the table
LANDMARKS = (0, 1_000, 10_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
#: where the median over starts is expected
BANDS = {0: (5.1, 5.7), 200_000: (6e-3, 2e-2), 1_000_000: (5e-4, 1.5e-3)}
#: share of starts expected to put all points on their side after so many steps
SHARE, SHARE_AFTER = 0.85, 1_000_000
#: by how much the cross-entropy's cost is lower, from so many steps
LEAD, LEAD_AFTER = 1000.0, 200_000


@final
class Higham(Study):
    """Loss x seed."""

    question: ClassVar[str] = (
        "Does Higham & Higham's example come out again, for most starts and not for one?"
    )
    claim: ClassVar[str] = (
        "With the squared error the median of the plotted cost (20 times the paper's C) starts in "
        "[5.1, 5.7], is in [0.006, 0.02] after 2×10⁵ steps and in [0.0005, 0.0015] after 10⁶, when at "
        "least 85 % of the starts classify all ten points; cross-entropy ends at least 1,000 times lower."
    )
    refuted_by: ClassVar[str] = (
        "An interval of the median outside its band, of the share below 85 %, or of the ratio of the "
        "two losses' costs below 1,000."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        starts = starts_of(rows, folder)
        if not starts:
            return unanswered(
                "No cell followed the cost of Higham's points (data.watched, metric=squared_distance)."
            )
        verdicts = [v for one in starts for v in (*_medians(one), _share(one))] + _lead(starts)
        figures = present(cost_curves(starts, PUBLISHED), decision_regions(starts, folder))
        return Findings(tuple(verdicts), (_landmarks(starts), _ends(starts)), figures)


# -- verdicts --------------------------------------------------------------------------------------


def _medians(one: Starts) -> list[Verdict]:
    """The median at the published steps; only measured where the setting is another one."""
    verdicts = []
    steps = [step for step in BANDS if one.measured(step)] if one.published else [one.last]
    for step in steps:
        median = median_interval(one.at(step))
        when = f"after {step:,} steps" if step else "before training"
        sentence = f"{one.label}: {when} the median plotted cost is {median}"
        if not one.published:
            verdicts.append(Verdict(sentence + ".", "measured"))
            continue
        low, high = BANDS[step]
        near = PUBLISHED[step]
        sentence += f"; expected in [{low:g}, {high:g}], the published start shows about {near:g}."
        verdicts.append(Verdict(sentence, decided(median.within(low, high))))
    return verdicts


def _share(one: Starts) -> Verdict:
    right = int(one.right.sum())
    share = share_interval(right, len(one.right))
    sentence = (
        f"{one.label}: after {one.last:,} steps {right} of {len(one.right)} starts classify every point "
        f"({share})."
    )
    if one.published and one.last < SHARE_AFTER:
        sentence += f" The claim's share and its last band are about {SHARE_AFTER:,} (size=full)."
        return Verdict(sentence, "measured")
    return Verdict(sentence, decided(share.within(SHARE, 1.0)) if one.published else "measured")


def _lead(starts: Sequence[Starts]) -> list[Verdict]:
    """Start by start, how much lower the cross-entropy's cost is."""
    squared, entropy = (
        next((one for one in starts if one.loss == name), None) for name in (SQUARED, ENTROPY)
    )
    if squared is None or entropy is None:
        return []
    step = min(squared.last, entropy.last)
    if not (squared.measured(step) and entropy.measured(step)):
        return []
    costs = (Series(np.log10(one.at(step)), one.rows["seed"]) for one in (squared, entropy))
    lead = concat(costs, axis=1, join="inner").to_numpy()
    ratio = median_interval(lead[:, 0] - lead[:, 1]).map(lambda decades: float(10.0**decades))
    sentence = (
        f"After {step:,} steps the cross-entropy's plotted cost is {ratio} times lower than the squared "
        "error's, median over starts (same start, same order of points)."
    )
    judged = squared.published and step >= LEAD_AFTER
    return [Verdict(sentence, decided(ratio.within(LEAD, np.inf)) if judged else "measured")]


# -- tables ----------------------------------------------------------------------------------------


def _landmarks(starts: Sequence[Starts]) -> Table:
    rows = []
    for one in starts:
        for step in sorted({s for s in LANDMARKS if one.measured(s)} | {one.last}):
            cost = one.at(step)
            median, finite = median_interval(cost), cost[np.isfinite(cost)]
            low, high = np.quantile(finite, (0.1, 0.9)) if len(finite) else (np.nan, np.nan)
            rows.append({
                "training": one.label, "step": step, "seeds": median.seeds,
                "10 % of starts below": low, "median": median.value, "95 %": bounds(median),
                "90 % of starts below": high,
                "published start": PUBLISHED.get(step, np.nan) if one.published else np.nan,
            })  # fmt: skip
    caption = (
        "The plotted cost, sum over the points of ‖y − a‖²: 20 times the paper's C = 1/(2N) Σ for ten "
        "points. The published start is read off a figure and cannot be drawn again; its place among "
        "the starts can."
    )
    return Table("The cost over starts", caption, DataFrame(rows))


def _ends(starts: Sequence[Starts]) -> Table:
    rows = []
    for one in starts:
        share = share_interval(int(one.right.sum()), len(one.right))
        stuck = one.cost[~one.right, -1]
        rows.append({
            "training": one.label, "steps": one.last, "starts": len(one.right),
            "all points right": share.value, "95 %": bounds(share), "others": len(stuck),
            "their median cost": float(np.median(stuck)) if len(stuck) else np.nan,
        })  # fmt: skip
    caption = (
        "How many starts put every point on its side. The others are stuck, or still on the way."
    )
    return Table("Which starts succeed", caption, DataFrame(rows))
