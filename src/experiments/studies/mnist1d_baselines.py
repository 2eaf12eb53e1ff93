"""Do the published accuracies of MNIST-1D come out, and what does squared error make of the same networks?

Two networks, softmax regression and 40-100-100-10 with an identity skip round the middle layer, trained
for 6,000 steps of 100 with Adam at rate .01. Nothing is tuned: this is the contest at one rate that the
literature has. Softmax regression has one minimum (37.2 % of the training part, 32.4 % of the test part;
least squares: 27.7 and 22.7), round which the last steps wander by about a point. The authors' batches
follow the file and end at one fixed place of that walk; here every epoch is shuffled.

References:
    Greydanus & Kobak (2024), "Scaling Down Deep Learning with MNIST-1D": the data, both networks, their log.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.core.study import Findings, Study, Table, Verdict
from experiments.studies.contest.along import Along
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.duels import values_of
from experiments.studies.reading.family import DEPTH
from experiments.studies.reading.verdicts import NOTHING, decided, unanswered

TRAIN, TEST, ECE = "train/accuracy", "test/accuracy", "test/ece"
CROSS, RAW = "cross entropy", "half squared error, raw"
LINEAR, DEEP = 0, 2
#: points by which a shuffled order may end elsewhere than the published one
WALK = 1.5


@dataclass(frozen=True)
class Elsewhere:
    """Numbers in per cent, as a reader finds them; ECE with 15 bins."""

    train: str
    test: str
    ece: str = "–"


#: (head, depth) -> printed by the authors (cross-entropy), or computed once by other code, three seeds
ELSEWHERE = {
    (CROSS, LINEAR): Elsewhere("37.2", "31.5"),
    (RAW, LINEAR): Elsewhere("23.8", "22.0"),
    (CROSS, DEEP): Elsewhere("100", "65.1; 63.6 to 64.2", ".30"),
    ("binary cross entropy", DEEP): Elsewhere("–", "62.1 to 62.8", ".29"),
    (RAW, DEEP): Elsewhere("–", "58.9 to 61.0", ".07 to .10"),
    ("half squared error on sigmoid", DEEP): Elsewhere("–", "60.8 to 63.9"),
    ("half squared error on softmax", DEEP): Elsewhere("–", "60.4 to 63.4"),
}
#: head, column, number in per cent: what the linear network must come to
EXACT = ((CROSS, TRAIN, 37.2), (CROSS, TEST, 31.5), (RAW, TEST, 22.0))
#: the deep network's test accuracy with cross-entropy, and its lead over raw squared error
DEEP_TEST, DEEP_LEAD = (61.5, 67.5), 1.5


@final
class MNIST1DBaselines(Study):
    """Head x depth (0 or 2) x seed, at the published rate."""

    question: ClassVar[str] = (
        "Do the published accuracies of MNIST-1D come out, and what does squared error make of the same "
        "networks?"
    )
    claim: ClassVar[str] = (
        "Softmax regression ends at 37.2 % on the training part and 31.5 % on the test part, the same "
        f"network with a raw squared error at 22.0 %, all within {WALK:g}. The network with two "
        f"hidden layers ends between {DEEP_TEST[0]:g} and {DEEP_TEST[1]:g} % with cross-entropy, more than "
        f"{DEEP_LEAD:g} points above raw squared error."
    )
    refuted_by: ClassVar[str] = "An interval that lies outside these bounds."

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        contest = Contest.of(results)
        if contest is None:
            return NOTHING
        along = Along.of(contest, DEPTH)
        if along is None:
            return unanswered("No cell says how deep it is.")
        return Findings((_linear(along), _deep(along)), (_beside(along),))


def _percent(accuracy: Interval) -> Interval:
    return accuracy.map(lambda share: 100 * share)


def _linear(along: Along) -> Verdict:
    parts, known = [], []
    for head, column, number in EXACT:
        accuracy = _percent(along.mean(head, LINEAR, column))
        known.append(accuracy.within(number - WALK, number + WALK))
        part = "training" if column == TRAIN else "test"
        if accuracy.seeds:
            source = "published" if head == CROSS else "other code"
            parts.append(f"{head} {accuracy} % of the {part} part ({source} {number:g})")
    if not parts:
        return Verdict("No network without hidden layers.", "undecided")
    return Verdict(f"Without hidden layers: {'; '.join(parts)}.", decided(*known))


def _deep(along: Along) -> Verdict:
    accuracy = _percent(along.mean(CROSS, DEEP, TEST))
    lead = _percent(along.lead(CROSS, RAW, DEEP, TEST))
    if not accuracy.seeds:
        return Verdict(f"No network with {DEEP} hidden layers and {CROSS}.", "undecided")
    return Verdict(
        f"With two hidden layers {CROSS} comes to {accuracy} % of the test part, {lead} points above raw "
        "squared error at the same rate.",
        decided(accuracy.within(*DEEP_TEST), lead.within(DEEP_LEAD, np.inf)),
    )


def _beside(along: Along) -> Table:
    rows = []
    for (head, depth), theirs in ELSEWHERE.items():
        mine = along.at(head, depth)
        rows.append({
            "network": "linear" if depth == LINEAR else "40-100-100-10, skip", "head": head,
            "theirs, training %": theirs.train, "training": _range(mine, TRAIN, 100.0),
            "theirs, test %": theirs.test, "test": _range(mine, TEST, 100.0),
            "their ECE": theirs.ece, "ECE": _range(mine, ECE, 1.0),
        })  # fmt: skip
    caption = (
        "From the lowest to the highest seed. Theirs: 65.1 and the linear cross-entropy are published, the "
        "authors' own log; the rest other code computed once with three seeds of the same networks. There "
        "batches follow the file in order; here every epoch is shuffled. For the calibration error raw "
        "outputs were clipped to [0, 1] there and are divided by their sum here, so these two numbers "
        "are not of one kind."
    )
    return Table("Beside published and recomputed numbers", caption, DataFrame(rows))


def _range(rows: DataFrame, column: str, scale: float) -> str:
    """Lowest to highest seed.

    >>> _range(DataFrame({"test/accuracy": [0.634, 0.642]}), "test/accuracy", 100.0)
    '63.4 to 64.2'
    """
    seeds = scale * values_of(rows, column)
    known = seeds[np.isfinite(seeds)]
    if not len(known):
        return "–"
    low, high = (f"{end:.{1 if scale > 1 else 2}f}" for end in (known.min(), known.max()))
    return low if low == high else f"{low} to {high}"
