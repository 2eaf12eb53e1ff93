"""Squared distance between prediction and target.

    SquaredDistance = 1/N sum_d ||a_d^[L] - t_d||_2^2                    a mean over examples

a^[L] is the prediction of the link itself, whichever loss trains the network; the Brier score uses
probabilities, for which independent sigmoids are rescaled. It compares losses in the same unit: a half
squared error on the same link is 1/2 of it, and the cost in Higham & Higham (2019) is N times it.

References:
    Higham & Higham (2019), section 6 and the program netbp.
"""

from typing import ClassVar, final

from jaxtyping import Float64
from torch import Tensor

from experiments.core.metric import Answers, Metric


@final
class SquaredDistance(Metric):
    """Mean of the squared Euclidean distance, with class indices as one-hot rows.

    Example:
        >>> import torch
        >>> from experiments.losses import BinaryCrossEntropy
        >>> answers = Answers(torch.zeros(1, 2, 2), torch.tensor([0, 1]), BinaryCrossEntropy())
        >>> SquaredDistance()(answers)
        tensor([0.5000], dtype=torch.float64)
    """

    needs_classes: ClassVar[bool] = False

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        return answers.errors.square().sum(-1).mean(-1)
