r"""What a calibration error measures of answers that are perfectly calibrated: more than 0.

::

    ECE = sum_b |sum_{d in B_b} (right_d - p_d)| / N,    right_d ~ Bernoulli(p_d):    E ECE > 0

A bin of n examples misses its confidence by about sqrt(p (1 - p) / n) by chance, and the absolute value
keeps every miss. The expectation is exact here, bin by bin, from the distribution of a sum of unequal
coins. Errors near it say nothing of the head, and heads of other confidence have other ones.

References:
    Bröcker & Smith (2007), "Increasing the reliability of reliability diagrams".
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.core.metric import Answers
from experiments.studies.contest.answers import answers_of
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.tuning import Arm

BINS = 15


def ece_by_chance(answers: Answers, bins: int = BINS) -> float:
    """E ECE of answers as sure as these, if each were right exactly as often as it is sure.

    Returns:
        NaN for answers that are not finite, or none.

    Example:
        One answer of confidence 1/2 is off by 1/2 whichever way it falls.

        >>> import torch
        >>> from experiments.losses import CrossEntropy
        >>> ece_by_chance(Answers(torch.zeros(1, 1, 2), torch.tensor([0]), CrossEntropy()))
        0.5
    """
    p = answers.confidence[0].numpy()
    if not len(p) or not np.isfinite(p).all():
        return math.nan
    where = np.minimum((p * bins).astype(int), bins - 1)
    missed = 0.0
    for mine in (p[where == b] for b in np.unique(where)):
        chances = np.ones(1)
        for one in mine:
            chances = np.convolve(chances, (1 - one, one))
        missed += float(chances @ np.abs(np.arange(len(chances)) - mine.sum()))
    return missed / len(p)


def ece_lead_by_chance(contest: Contest, rival: str, folder: Path) -> float:
    """The baseline's minus the rival's, of test answers where both train; NaN without checkpoints."""
    where = contest.both_train(rival)
    own, other = (
        _mean([arm for arm in contest.arms if arm.head == head and arm.setting in where], folder)
        for head in (contest.baseline, rival)
    )
    return own - other


def _mean(arms: Sequence[Arm], folder: Path) -> float:
    rows = [row for arm in arms for row in arm.rows.to_dict("records")]
    known = [found for row in rows if (found := answers_of(row, folder)) is not None]
    return float(np.mean([ece_by_chance(found) for found in known])) if known else math.nan
