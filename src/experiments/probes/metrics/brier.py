"""Brier score: the squared distance from the probabilities to the class.

    Brier = 1/N sum_d sum_j (p_j - t_j)^2,   t one-hot                    [0, 2], a mean over examples

Proper: its expectation is smallest if p is the true distribution. The sum over classes is Brier's original
form; for two classes it is twice the form that uses one class only.

References:
    Brier (1950), "Verification of forecasts expressed in terms of probability".
"""

from typing import final

from jaxtyping import Float64
from torch import Tensor, nn

from experiments.core.metric import Answers, Metric


@final
class Brier(Metric):
    """Mean of the squared distance.

    Example:
        >>> import torch
        >>> from experiments.losses import CrossEntropy
        >>> Brier()(Answers(torch.zeros(1, 3, 2), torch.tensor([0, 1, 1]), CrossEntropy()))
        tensor([0.5000], dtype=torch.float64)
    """

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        p = answers.probabilities
        t = nn.functional.one_hot(answers.classes, p.shape[-1])
        return (p - t).square().sum(-1).mean(-1)
