"""Two heads along an axis: which one is ahead, and whether they tie everywhere."""

from experiments.core.interval import Interval
from experiments.core.study import Verdict
from experiments.studies.contest.along import Along
from experiments.studies.reading.verdicts import decided


def ahead(lead: Interval) -> bool | None:
    """Whether a lead's whole interval lies above 0 (True) or below it (False).

    None where the interval holds 0, which an exact tie does, and where there are too few seeds.

    >>> ahead(Interval(0.1, 0.05, 0.2, 5)), ahead(Interval(-0.1, -0.2, -0.05, 5))
    (True, False)
    >>> print(ahead(Interval(0.0, 0.0, 0.0, 5)), ahead(Interval(0.1, 0.0, 0.2, 5)))
    None None
    """
    if not lead.decides or lead.low <= 0 <= lead.high:
        return None
    return lead.low > 0


def tie_along(along: Along, head: str, rival: str, tie: float | None, by: str, at: str) -> Verdict:
    """A head's test accuracy minus its rival's at every value of the axis.

    Args:
        along: the contest along that axis.
        head: name of the head that the rival is subtracted from.
        rival: name of the other head.
        tie: the largest difference that counts as a tie; None to measure only.
        by: the axis in words.
        at: the preposition before a value of the axis.
    """
    leads = {value: along.lead(head, rival, value, "test/accuracy") for value in along.values}
    known = {value: lead for value, lead in leads.items() if lead.seeds}
    if not known:
        return Verdict(f"{head.capitalize()} and {rival} were not both trained.", "undecided")
    parts = [f"{lead} {at} {value:g}" for value, lead in known.items()]
    sentence = f"{head.capitalize()} minus {rival} in test accuracy, by {by}: {', '.join(parts)}."
    if tie is None:
        return Verdict(sentence, "measured")
    return Verdict(sentence, decided(*(lead.within(-tie, tie) for lead in known.values())))
