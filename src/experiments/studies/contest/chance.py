r"""The calibration error that is measured of perfectly calibrated answers, which is above 0.

::

    ECE = sum_b |sum_{d in B_b} (right_d - p_d)| / N,    right_d ~ Bernoulli(p_d):    E ECE > 0

A bin of n examples misses its confidence by about sqrt(p (1 - p) / n) by chance, and the absolute value
keeps every miss. The expectation is exact here, bin by bin, from the distribution of a sum of unequal
coins. An error near it says nothing about the head, and it depends on how confident a head is.

References:
    Bröcker & Smith (2007), "Increasing the reliability of reliability diagrams".
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.core.metric import Answers
from experiments.probes.metrics.ece import BINS, bin_of
from experiments.studies.contest.answers import answers_of
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.tuning import Arm
from experiments.studies.reading.grouping import present


def ece_by_chance(answers: Answers, bins: int = BINS) -> float:
    """E ECE of answers with these confidences, each right with exactly that probability.

    Returns:
        NaN without answers, or with answers that are not finite.

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
    where = bin_of(answers.confidence, bins)[0].numpy()
    missed = 0.0
    for mine in (p[where == b] for b in np.unique(where)):
        chances = np.ones(1)
        for one in mine:
            chances = np.convolve(chances, (1 - one, one))
        missed += float(chances @ np.abs(np.arange(len(chances)) - mine.sum()))
    return missed / len(p)


def ece_lead_by_chance(contest: Contest, rival: str, folder: Path) -> float:
    """E ECE of the baseline minus the rival's, on test data where both train; NaN without checkpoints."""
    where = contest.both_train(rival)
    baseline, other = (
        _mean([arm for arm in contest.arms if arm.head == head and arm.setting in where], folder)
        for head in (contest.baseline, rival)
    )
    return baseline - other


def _mean(arms: Sequence[Arm], folder: Path) -> float:
    answers = present(*(answers_of(row, folder) for arm in arms for row in arm.records))
    return float(np.mean([ece_by_chance(each) for each in answers])) if answers else math.nan
