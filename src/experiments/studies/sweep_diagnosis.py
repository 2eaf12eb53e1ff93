"""What ails the configurations of a sweep, as sentences and as a table."""

from collections.abc import Sequence

from pandas import DataFrame

from experiments.core.study import Table, Verdict
from experiments.reporting.configurations import Configuration
from experiments.studies.reading import Symptom, capitalised, diagnose, listed, over

#: every configuration with an ended cell, and its symptoms
Diagnoses = list[tuple[Configuration, list[Symptom]]]


def diagnoses(groups: Sequence[Configuration], ledger: DataFrame) -> Diagnoses:
    """Symptoms of every configuration; failed cells have none."""
    ended = [(group, over(group.rows)) for group in groups]
    return [(group, diagnose(rows, ledger)) for group, rows in ended if len(rows)]


def in_words(found: Diagnoses, inside: bool) -> list[Verdict]:
    """One sentence for every symptom.

    Args:
        found: what ails whom.
        inside: whether anything was recorded inside the networks.
    """
    names = dict.fromkeys(symptom.name for _, symptoms in found for symptom in symptoms)
    sentences = [_sentence(name, found) for name in names]
    if found and not names:
        blind = "" if inside else "; nothing was recorded inside the networks (probe=ledger does)"
        sentences = [f"No symptom of trouble was found{blind}."]
    return [Verdict(sentence, "measured") for sentence in sentences]


def as_table(found: Diagnoses) -> list[Table]:
    """One row for every configuration and symptom; no table without any."""
    rows = [
        {
            "configuration": group.label,
            "symptom": symptom.name,
            "seeds": f"{symptom.seeds} of {symptom.judged}",
            "evidence": symptom.evidence,
            "to try": symptom.remedy,
        }
        for group, symptoms in found
        for symptom in symptoms
    ]
    caption = (
        "What is out of the ordinary, by fixed rules (studies/reading/diagnosis.py). A symptom is no "
        "verdict: some networks train in spite of one."
    )
    frame = DataFrame(rows)
    return [Table("Diagnosis", caption, frame)] if rows else []


def _sentence(name: str, found: Diagnoses) -> str:
    having = [(group, s) for group, symptoms in found for s in symptoms if s.name == name]
    symptom = having[0][1]
    if len(found) == 1:
        told = f": {symptom.evidence}"
    else:
        labels = listed([group.label for group, _ in having], most=3)
        told = f" in {len(having)} of {len(found)} configurations: {labels}"
    return f"{capitalised(name)}{told}. To try: {symptom.remedy}."
