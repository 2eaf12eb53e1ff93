"""Contract of a study: a question, a claim with what would refute it, and findings from cells."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pandas import DataFrame

#: "measured" is for a sentence that reports a number where nothing was claimed
Outcome = Literal["confirmed", "refuted", "undecided", "measured"]


@dataclass(frozen=True)
class Verdict:
    """One sentence of the answer, which states its numbers with their intervals."""

    sentence: str
    outcome: Outcome


@dataclass(frozen=True)
class Table:
    """A table of the report, with title, caption and rows."""

    title: str
    caption: str
    frame: DataFrame


@dataclass(frozen=True)
class Figure:
    """A figure of the report, as self-contained SVG; its caption can be understood without the text."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Findings:
    """The results of a study: the verdicts, and the tables and figures that support them."""

    verdicts: tuple[Verdict, ...]
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


class Study(ABC):
    """One question put to a folder of cells.

    A study does not train; it reads results. It may compute predictions from theory, and may read files in
    the folder (histories, checkpoints) besides the two tables. It must accept any results: cells that
    failed, diverged or are missing, axes with a single value, a single seed. If it cannot decide, the
    outcome is undecided, and the sentence says what is missing.
    """

    #: the question
    question: ClassVar[str]
    #: the expected answer, as a sentence that could be false; empty if the study only measures
    claim: ClassVar[str]
    #: the observation that would show the claim false
    refuted_by: ClassVar[str]

    @abstractmethod
    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        """Answer the question from the tables of one sweep.

        Args:
            results: one row per cell, as results.parquet holds them.
            ledger: one row per cell, step and layer, as ledger.parquet holds them; may be empty.
            folder: RUNS_DIR/NAME, for studies that need histories or checkpoints too.

        Returns:
            Verdicts, tables and figures; every number in them was computed by this call.
        """
