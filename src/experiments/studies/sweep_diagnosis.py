"""The symptoms of trouble in a sweep, as sentences and as a table."""

from collections.abc import Sequence

from pandas import DataFrame

from experiments.core.study import Table, Verdict
from experiments.reporting.configurations import Configuration
from experiments.studies.reading.diagnosis import Symptom, diagnose
from experiments.studies.reading.verdicts import capitalised, listed, over

#: every configuration with an ended cell, and its symptoms
Diagnoses = list[tuple[Configuration, list[Symptom]]]


def diagnoses_of(groups: Sequence[Configuration], ledger: DataFrame) -> Diagnoses:
    """Symptoms of every configuration; failed cells have none."""
    ended = ((group, over(group.rows)) for group in groups)
    return [(group, diagnose(rows, ledger)) for group, rows in ended if len(rows)]


def in_words(diagnoses: Diagnoses, recorded: bool) -> list[Verdict]:
    """One sentence for every symptom, or one that says that there is none.

    Args:
        diagnoses: the symptoms of every configuration.
        recorded: whether a probe recorded anything inside the networks.
    """
    names = dict.fromkeys(symptom.name for _, symptoms in diagnoses for symptom in symptoms)
    sentences = [_sentence(name, diagnoses) for name in names]
    if diagnoses and not names:
        limit = "" if recorded else "; nothing was recorded inside the networks (probe=ledger does)"
        sentences = [f"No symptom of trouble was found{limit}."]
    return [Verdict(sentence, "measured") for sentence in sentences]


def as_table(diagnoses: Diagnoses) -> list[Table]:
    """One row for every configuration and symptom; no table without symptoms."""
    rows = [
        {
            "configuration": group.label,
            "symptom": symptom.name,
            "seeds": f"{symptom.seeds} of {symptom.judged}",
            "evidence": symptom.evidence,
            "to try": symptom.remedy,
        }
        for group, symptoms in diagnoses
        for symptom in symptoms
    ]
    caption = (
        "What is out of the ordinary, by fixed rules (studies/reading/diagnosis.py). A symptom is no "
        "verdict: some networks train in spite of one."
    )
    return [Table("Diagnosis", caption, DataFrame(rows))] if rows else []


def _sentence(name: str, diagnoses: Diagnoses) -> str:
    """Where a symptom was found, and what to try: the evidence for one configuration, labels for several."""
    affected = [(group, s) for group, symptoms in diagnoses for s in symptoms if s.name == name]
    symptom = affected[0][1]
    if len(diagnoses) == 1:
        where = f": {symptom.evidence}"
    else:
        labels = listed([group.label for group, _ in affected], most=3)
        where = f" in {len(affected)} of {len(diagnoses)} configurations: {labels}"
    return f"{capitalised(name)}{where}. To try: {symptom.remedy}."
