"""What verdicts are made of: outcomes, findings without an answer, and the wording of lists."""

from collections.abc import Sequence

from pandas import DataFrame

from experiments.core.study import Figure, Findings, Outcome, Table, Verdict


def unanswered(
    reason: str, tables: tuple[Table, ...] = (), figures: tuple[Figure, ...] = ()
) -> Findings:
    """Findings of a study that lacks what it needs: one undecided verdict that says what is missing."""
    return Findings((Verdict(reason, "undecided"),), tables, figures)


#: the findings of a sweep without a single finished or diverged cell
NOTHING = unanswered("No cell has come to an end, so nothing can be said.")


def decided(*known: bool | None) -> Outcome:
    """The outcome of a claim with several parts: True where a part holds, None where that is unknown.

    One False refutes, one None leaves the claim undecided; so does having no part at all.

    >>> decided(True, True), decided(True, None), decided(None, False), decided()
    ('confirmed', 'undecided', 'refuted', 'undecided')
    """
    if False in known:
        return "refuted"
    return "undecided" if None in known or not known else "confirmed"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as prose; beyond ``most`` names the rest are counted.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('a, b and c', 'a and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "seed"), counted(20, "seed")
    ('1 seed', '20 seeds')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def capitalised(text: str) -> str:
    """The text with a capital first letter, the rest as it is.

    >>> capitalised("dead units"), capitalised("‖δ‖ grows")
    ('Dead units', '‖δ‖ grows')
    """
    return text[:1].upper() + text[1:]


def over(results: DataFrame) -> DataFrame:
    """The rows of cells that finished or diverged; a failed cell has no result."""
    return results[results["status"] != "failed"]
