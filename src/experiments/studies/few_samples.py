"""Which loss needs fewer examples?

Training examples are thinned with their class shares unchanged; validation and test parts stay as they are.
Each head has the learning rate that validation chooses.
"""

from pathlib import Path
from typing import ClassVar, final

from pandas import DataFrame

from experiments.core.study import Findings, Study, Verdict
from experiments.studies.contest.along import Along
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.edges import edges
from experiments.studies.contest.ties import ahead, tie_along
from experiments.studies.reading.grouping import present
from experiments.studies.reading.verdicts import NOTHING, listed, unanswered

AXIS = "data.train_examples"
ACCURACY = "test/accuracy"
CROSS, SQUARED, RAW = (
    "cross entropy", "half squared error on softmax", "half squared error, raw",
)  # fmt: skip
#: a difference in accuracy below this is a tie
TIE = 0.02


@final
class FewSamples(Study):
    """Head x number of training examples x learning rate x seed."""

    question: ClassVar[str] = "Which loss needs fewer examples?"
    claim: ClassVar[str] = (
        f"Each at its own rate, cross-entropy and squared error on a softmax stay within {TIE:g} of each "
        "other in test accuracy at every number of examples."
    )
    refuted_by: ClassVar[str] = f"An interval of their difference that lies outside ±{TIE:g}."

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        contest = Contest.of(results)
        if contest is None:
            return NOTHING
        along = Along.of(contest, AXIS)
        if along is None:
            return unanswered(f"No cell says how many examples it kept ({AXIS}).")
        metrics = [ACCURACY, "test/nll", "test/ece"]
        figure = along.figure(
            [ACCURACY, "test/ece"], "training examples",
            "Test accuracy and calibration against the number of examples",
            "Each head at its own rate. ECE: calibration error of the test answers.",
        )  # fmt: skip
        table = along.table(
            metrics, "Every number of examples", "Means over seeds; every seed draws its own split."
        )
        verdicts = (
            tie_along(along, CROSS, SQUARED, TIE, by="examples", at="with"),
            _where(along),
            tie_along(along, CROSS, RAW, None, by="examples", at="with"),
            *edges(contest),
        )  # fmt: skip
        return Findings(verdicts, (table,), present(figure))


def _where(along: Along) -> Verdict:
    """The numbers of examples at which one of the two is clearly ahead."""
    leads = {value: along.lead(CROSS, SQUARED, value, ACCURACY) for value in along.values}
    better = [f"{value:g}" for value, lead in leads.items() if ahead(lead)]
    worse = [f"{value:g}" for value, lead in leads.items() if ahead(lead) is False]
    return Verdict(
        f"{CROSS.capitalize()} is ahead of {SQUARED}, interval and all, with "
        f"{listed(better) or 'no number of'} examples, and behind with {listed(worse) or 'none'}.",
        "measured",
    )
