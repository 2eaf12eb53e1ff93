"""Contract of a study: one question, what would refute its claim, and findings read from cells."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pandas import DataFrame

#: "measured" is for a sentence that reports a number where nothing was claimed
Outcome = Literal["confirmed", "refuted", "undecided", "measured"]


@dataclass(frozen=True)
class Verdict:
    """One sentence of the answer. It names its numbers with their intervals."""

    sentence: str
    outcome: Outcome


@dataclass(frozen=True)
class Table:
    """A table of the report: what it shows, and its rows."""

    title: str
    caption: str
    frame: DataFrame


@dataclass(frozen=True)
class Figure:
    """A picture of the report, as SVG that stands alone; the caption can be read without the text."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Findings:
    """What a study found: the verdict first, then what it rests on."""

    verdicts: tuple[Verdict, ...]
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


class Study(ABC):
    """One question put to a folder of cells.

    A study trains nothing: it reads what is there. It may ask theory for predictions and may read
    more of the folder (histories, checkpoints) than the two tables hold. It has to cope with whatever
    it is given: cells that failed, diverged or are missing, axes narrowed to one value, one seed. What
    it cannot decide it calls undecided, and says what is missing.
    """

    #: what is asked, as a question
    question: ClassVar[str]
    #: what is expected, as a sentence that could be false; empty where a study only measures
    claim: ClassVar[str]
    #: the observation that would show the claim false
    refuted_by: ClassVar[str]

    @abstractmethod
    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        """Answer from the tables of one sweep.

        Args:
            results: one row per cell, as results.parquet holds them.
            ledger: one row per cell, step and layer, as ledger.parquet holds them; may be empty.
            folder: RUNS_DIR/NAME, for studies that need histories or checkpoints too.

        Returns:
            Verdicts, tables and figures; every number in them was computed by this call.
        """
