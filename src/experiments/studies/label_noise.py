"""Which loss tolerates wrong labels?

A loss whose sum over all classes is constant (absolute error on a softmax: 2 (K - 1)) has the same
minimiser with symmetric label noise as without, as long as fewer than (K - 1) / K of the labels are wrong:

    R_noisy = (1 - eta K / (K - 1)) R + eta C / (K - 1)

Cross-entropy is unbounded and learns wrong labels by heart. Measured: test accuracy on clean labels after
training to the end at one rate, and with the rate chosen on clean validation data, which also chooses how
far the training goes.

References:
    Ghosh, Kumar & Sastry (2017), "Robust loss functions under label noise for deep neural networks".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.studies.contest.along import Along
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.edges import edges
from experiments.studies.reading.grouping import present
from experiments.studies.reading.verdicts import NOTHING, decided, unanswered

AXIS = "data.label_noise"
WRONG = "share of wrong labels"
ACCURACY = "test/accuracy"
CROSS, SQUARED, ABSOLUTE = (
    "cross entropy", "half squared error on softmax", "absolute error on softmax",
)  # fmt: skip
#: the rate that the numbers of other code were trained with, and the noise of the claim
RATE, NOISE = 0.003, 0.4
#: the lead of absolute error that is claimed
LEAD = 0.12
#: final clean test accuracy of 64-256-10 ReLU by other code, Adam .003, 150 epochs
ELSEWHERE = {(CROSS, 0.0): 0.977, (SQUARED, 0.0): 0.978, (ABSOLUTE, 0.0): 0.968,
             (CROSS, 0.4): 0.698, (SQUARED, 0.4): 0.696, (ABSOLUTE, 0.4): 0.931}  # fmt: skip


@final
class LabelNoise(Study):
    """Head x label noise x learning rate x seed."""

    question: ClassVar[str] = "Which loss tolerates wrong labels?"
    claim: ClassVar[str] = (
        f"With {NOISE:.0%} of the labels wrong and training to the end at rate {RATE:g}, absolute error "
        f"on a softmax keeps at least {LEAD:g} more test accuracy than cross-entropy; squared error on a "
        "softmax does not."
    )
    refuted_by: ClassVar[str] = (
        f"An interval of absolute error's lead at {NOISE:g} that lies below {LEAD:g}, or one of squared "
        "error's that lies above it."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        contest = Contest.of(results)
        if contest is None:
            return NOTHING
        tuned, fixed = Along.of(contest, AXIS), Along.of(contest, AXIS, RATE)
        if tuned is None or fixed is None:
            return unanswered(f"No cell says how many of its labels are wrong ({AXIS}).")
        verdicts = (_at_the_end(fixed), _tuned(tuned), _clean(tuned), *edges(contest))
        drawn = (
            fixed.figure([ACCURACY, "train/accuracy"], WRONG, f"Trained to the end at rate {RATE:g}",
                         "Accuracy on clean test labels, and on the training labels as they are, wrong "
                         "ones included: a head that fits those learns errors by heart."),
            tuned.figure([ACCURACY, "train/accuracy"], WRONG,
                         "Each at the rate that clean validation data choose",
                         "A small rate stops before the wrong labels are learnt by heart."),
        )  # fmt: skip
        tables = (
            _elsewhere(fixed),
            tuned.table([ACCURACY, "test/nll", "test/ece"], "Each at its own rate",
                        "Means over seeds; every seed draws its own split and its own wrong labels."),
        )  # fmt: skip
        return Findings(verdicts, tables, present(*drawn))


def _noise(along: Along) -> float:
    """The noise of the claim, or the largest measured."""
    return NOISE if NOISE in along.values else max(along.values, default=0.0)


def _at_the_end(along: Along) -> Verdict:
    noise = _noise(along)
    leads = [along.lead(head, CROSS, noise, ACCURACY) for head in (ABSOLUTE, SQUARED)]
    if not any(lead.seeds for lead in leads):
        return Verdict(f"No pair of heads was trained at rate {RATE:g}.", "undecided")
    sentence = (
        f"At {noise:.0%} wrong labels and rate {RATE:g}: {ABSOLUTE} minus {CROSS} in test accuracy is "
        f"{leads[0]}, {SQUARED} minus {CROSS} {leads[1]}."
    )
    if noise != NOISE:
        return Verdict(sentence, "measured")
    return Verdict(sentence, decided(leads[0].within(LEAD, np.inf), leads[1].within(-np.inf, LEAD)))


def _tuned(along: Along) -> Verdict:
    noise = _noise(along)
    leads = [f"{head} {along.lead(head, CROSS, noise, ACCURACY)}" for head in (ABSOLUTE, SQUARED)]
    return Verdict(
        f"With the rate chosen on clean validation data the same leads at {noise:.0%} are: "
        f"{', '.join(leads)}.",
        "measured",
    )


def _clean(along: Along) -> Verdict:
    least = min(along.values, default=0.0)
    accuracy = [f"{head} {along.mean(head, least, ACCURACY)}" for head in along.contest.heads]
    sentence = f"With {least:.0%} wrong labels, each at its own rate: {', '.join(accuracy)}."
    return Verdict(sentence, "measured")


def _elsewhere(along: Along) -> Table:
    rows: Sequence[dict[str, object]] = [
        {
            "head": head, "wrong labels": noise, "other code": value,
            "here": along.mean(head, noise, ACCURACY).value,
        }
        for (head, noise), value in ELSEWHERE.items()
    ]  # fmt: skip
    caption = (
        "Other code: computed once for a network of 256 hidden neurons over 150 epochs and one split. Here: "
        f"this sweep at rate {RATE:g}, a split for every seed; a narrower network or fewer steps learn "
        "fewer wrong labels by heart, and cross-entropy keeps more."
    )
    return Table("Beside another program's numbers", caption, DataFrame(rows))
