"""From what is known to an outcome, and lists as a sentence holds them."""

from collections.abc import Sequence

from pandas import DataFrame

from experiments.core.study import Findings, Outcome, Verdict

#: the findings of a sweep without a single finished or diverged cell
NOTHING = Findings((Verdict("No cell has come to an end, so nothing can be said.", "undecided"),))


def decided(*known: bool | None) -> Outcome:
    """One False refutes, one unknown leaves open; without anything to go by, undecided.

    >>> decided(True, True), decided(True, None), decided(None, False), decided()
    ('confirmed', 'undecided', 'refuted', 'undecided')
    """
    if False in known:
        return "refuted"
    return "undecided" if None in known or not known else "confirmed"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as prose, the last ones counted when there are many.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('a, b and c', 'a and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def capitalised(text: str) -> str:
    """The text with a capital letter in front.

    >>> capitalised("dead units"), capitalised("‖δ‖ grows")
    ('Dead units', '‖δ‖ grows')
    """
    return text[:1].upper() + text[1:]


def over(results: DataFrame) -> DataFrame:
    """The rows of cells that finished or diverged; a failed cell has nothing to say."""
    return results[results["status"] != "failed"]
