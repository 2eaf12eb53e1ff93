"""Does squared error or cross-entropy suffer more from rare classes?

Training examples fall geometrically from the most to the least frequent class, the largest ``imbalance``
times the smallest; validation and test examples keep equal shares, so their accuracy counts every class
alike. Each head has the learning rate that validation chooses.
"""

from pathlib import Path
from typing import ClassVar, final

from pandas import DataFrame

from experiments.core.study import Findings, Study, Verdict
from experiments.studies.contest.along import Along
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.edges import edges
from experiments.studies.contest.ties import tie_along
from experiments.studies.reading.grouping import present
from experiments.studies.reading.verdicts import NOTHING, unanswered

AXIS = "data.imbalance"
ACCURACY, WORST = "test/accuracy", "test/worst_class"
CROSS, SQUARED = "cross entropy", "half squared error on softmax"
#: a difference in accuracy below this is a tie
TIE = 0.02


@final
class ClassImbalance(Study):
    """Head x imbalance x learning rate x seed."""

    question: ClassVar[str] = "Does squared error or cross-entropy suffer more from rare classes?"
    claim: ClassVar[str] = (
        f"Each at its own rate, cross-entropy and squared error on a softmax stay within {TIE:g} of each "
        "other in test accuracy at every imbalance."
    )
    refuted_by: ClassVar[str] = f"An interval of their difference that lies outside ±{TIE:g}."

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        contest = Contest.of(results)
        if contest is None:
            return NOTHING
        along = Along.of(contest, AXIS)
        if along is None:
            return unanswered(f"No cell says how unequal its classes are ({AXIS}).")
        metrics = [ACCURACY, WORST, "test/nll"]
        figure = along.figure(
            metrics[:2], "imbalance: largest class over smallest", "Accuracy against imbalance",
            "Mean accuracy over all classes, and that of the class that fares worst; test classes are "
            "equally frequent, and each head trains at its own rate.",
        )  # fmt: skip
        table = along.table(
            metrics, "Every imbalance", "Means over seeds; every seed draws its own split."
        )
        verdicts = (
            tie_along(along, CROSS, SQUARED, TIE, by="imbalance", at="at"),
            _suffers(along),
            _at_worst(along),
            *edges(contest),
        )
        return Findings(verdicts, (table,), present(figure))


def _suffers(along: Along) -> Verdict:
    """What each head loses between equal classes and the most unequal ones, seed by seed."""
    least, most = min(along.values), max(along.values)
    parts = []
    for head in along.contest.heads if most > least else ():
        lost = along.change(head, least, most, ACCURACY)
        if lost.seeds:
            parts.append(f"{head} {lost.map(lambda change: -change)}")
    if not parts:
        return Verdict("One imbalance alone shows no loss.", "undecided")
    return Verdict(
        f"From imbalance {least:g} to {most:g} test accuracy falls by: {', '.join(parts)}.",
        "measured",
    )


def _at_worst(along: Along) -> Verdict:
    most = max(along.values)
    parts = [
        f"{head} {along.mean(head, most, ACCURACY)}, worst class {along.mean(head, most, WORST)}"
        for head in along.contest.heads
    ]
    return Verdict(f"At imbalance {most:g}, test accuracy: {'; '.join(parts)}.", "measured")
