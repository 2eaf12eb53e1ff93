"""Whether the grid of learning rates was wide enough for the contest to be fair."""

from experiments.core.study import Verdict
from experiments.studies.contest.contest import Contest
from experiments.studies.reading.verdicts import listed


def edges(contest: Contest) -> tuple[Verdict, ...]:
    """A warning if nothing was tuned, or if a better rate may lie beyond those that were tried.

    There is no warning of heads that learn nothing at a setting, nor of those that do as well at the next
    rate within the grid: a wider grid would not help either.
    """
    if len(contest.rates) < 2:
        sentence = (
            "One learning rate was tried: nothing was tuned, so no side had the rate it needs."
        )
        return (Verdict(sentence, "undecided"),)
    last = [arm for arm in contest.contested if arm.rising and contest.learns(arm)]
    if not last:
        return ()
    named = [f"{arm.head} at {arm.setting or 'the only setting'} ({arm.edge})" for arm in last]
    sentence = (
        f"The best rate of {len(last)} of {len(contest.contested)} contestants is the last one tried, and "
        f"better than the one next to it: {listed(named)}. Widen optimizer.lr to know what they can do."
    )
    return (Verdict(sentence, "undecided"),)
