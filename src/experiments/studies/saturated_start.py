"""Which losses mend a network that starts out confidently wrong?

Weights of N(0, sigma_w^2 / n) with a large sigma_w saturate the output: before training most answers are
wrong and sure. There a squared error on sigmoids or a softmax sends delta to 0, and cross-entropy does not.
Each head has the learning rate that validation chooses, so a larger rate may make up for a smaller gradient;
what remains is what no rate makes up for.

References:
    Nielsen (2015), chapter 3; Golik, Doetsch & Ney (2013): from a random start squared error does not reach
    a good optimum.
"""

from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.configurations import text
from experiments.studies.contest.along import Along
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.duels import values_of
from experiments.studies.contest.edges import edges
from experiments.studies.contest.speed import at_start, median_steps, steps_to, written_steps
from experiments.studies.contest.ties import ahead
from experiments.studies.reading.grouping import present
from experiments.studies.reading.tuning import LR
from experiments.studies.reading.verdicts import NOTHING, decided, over, unanswered

AXIS, START = "initializer.sigma_w", "σ_w at the start"
ACCURACY = "test/accuracy"
TARGET = 0.9
#: columns of the rows; with a slash they are numbers and no axes
STEPS, SURE, SIZE = "speed/steps", "start/confident_errors", "start/confident_error_gradient"
PAIRS = (
    ("binary cross entropy", "half squared error on sigmoid"),
    ("cross entropy", "half squared error on softmax"),
)


@final
class SaturatedStart(Study):
    """Head x sigma_w x learning rate x seed."""

    question: ClassVar[str] = "Which losses mend a network that starts out confidently wrong?"
    claim: ClassVar[str] = (
        "From the most saturated start, and each at its own rate, cross-entropy reaches a higher test "
        "accuracy than the squared error on the same link."
    )
    refuted_by: ClassVar[str] = "An interval of cross-entropy's lead there that lies below 0."

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        contest = Contest.of(_with_history(results, folder))
        if contest is None:
            return NOTHING
        along = Along.of(contest, AXIS)
        if along is None:
            return unanswered(f"No cell says how large its weights started ({AXIS}).")
        verdicts = (
            *(_lead(along, *pair) for pair in PAIRS), _starts(along), _speed(along), *edges(contest)
        )  # fmt: skip
        drawn = (
            along.figure([ACCURACY], START, "From mild to saturated starts",
                         "Test accuracy at the end, each head at its own learning rate. Dotted: chance.",
                         levels=(("", contest.chance),)),
            along.figure(["test/nll"], START, "How wrong the answers are in the end",
                         "Negative log-likelihood of the test answers, each head at its own rate."),
        )  # fmt: skip
        return Findings(verdicts, (_table(along),), present(*drawn))


def _with_history(results: DataFrame, folder: Path) -> DataFrame:
    """The rows of cells that are over, with the three columns named above."""
    rows = over(results)
    cells = list(rows["cell"])
    columns = {
        STEPS: steps_to(folder, cells, TARGET),
        SURE: at_start(folder, cells, "val/confident_errors"),
        SIZE: at_start(folder, cells, "val/confident_error_gradient"),
    }
    return rows.assign(**columns)


def _lead(along: Along, cross: str, squared: str) -> Verdict:
    most = max(along.values, default=0.0)
    lead = along.lead(cross, squared, most, ACCURACY)
    if not lead.seeds:
        return Verdict(
            f"{text(cross).capitalize()} and {squared} were not both trained.", "undecided"
        )
    ends = [f"{head} {along.mean(head, most, ACCURACY)}" for head in (cross, squared)]
    return Verdict(
        f"From σ_w = {most:g} the test accuracy becomes {' and '.join(ends)}: a lead of {lead}.",
        decided(ahead(lead)),
    )


def _speed(along: Along) -> Verdict:
    parts = []
    for head in along.contest.heads:
        steps = [median_steps(values_of(along.at(head, value), STEPS)) for value in along.values]
        parts.append(f"{head} {', '.join(written_steps(s).removesuffix(' steps') for s in steps)}")
    starts = ", ".join(f"{value:g}" for value in along.values)
    return Verdict(
        f"Median steps to validation accuracy {TARGET:g} from σ_w = {starts}: {'; '.join(parts)}.",
        "measured",
    )


def _starts(along: Along) -> Verdict:
    parts = []
    for value in along.values:
        shares = [along.mean(head, value, SURE).value for head in along.contest.heads]
        most = max((share for share in shares if np.isfinite(share)), default=None)
        if most is not None:
            parts.append(f"{most:.0%} at σ_w = {value:g}")
    if not parts:
        return Verdict("How sure the answers were before training is not recorded.", "undecided")
    return Verdict(
        "Validation answers that are wrong with confidence 0.9 before training, of the head that has most: "
        f"{', '.join(parts)}.",
        "measured",
    )


def _table(along: Along) -> Table:
    rows = []
    for value in along.values:
        for head in along.contest.heads:
            mine = along.at(head, value)
            if not len(mine):
                continue
            rates = mine[LR].unique() if LR in mine else []
            rows.append({
                "σ_w": value, "head": head, "rate": ", ".join(text(rate) for rate in rates),
                "confident errors before": along.mean(head, value, SURE).value,
                "‖δ‖ there": along.mean(head, value, SIZE).value,
                f"steps to {TARGET:g}": median_steps(values_of(mine, STEPS)),
                "test accuracy": along.mean(head, value, ACCURACY).value,
                "test nll": along.mean(head, value, "test/nll").value,
            })  # fmt: skip
    caption = (
        "Each head at the rate that validation chooses. Before: of the validation answers before training, "
        "the share that is wrong with confidence 0.9 or more, and the mean norm of δ at the output over "
        "these (– where there are none). Sigmoids that are all near 1 divide the confidence between them. "
        "Steps: median over seeds, ∞ where most never arrive."
    )
    return Table("Every start", caption, DataFrame(rows))
