"""Squared distance: how far the prediction itself lies from the target.

    SquaredDistance = 1/N sum_d ||a_d^[L] - t_d||_2^2                    a mean over examples

Here a^[L] is the link's prediction as it is, whichever loss trains the network; the Brier score looks at
probabilities, which for independent sigmoids are rescaled. It compares losses in one unit: a half
squared error on the same link is 1/2 of it, the cost that Higham & Higham (2019) plot is N times it.

References:
    Higham & Higham (2019), section 6 and the program netbp.
"""

from typing import final

from jaxtyping import Float64
from torch import Tensor, nn

from experiments.core.metric import Answers, Metric


@final
class SquaredDistance(Metric):
    """Mean of the squared Euclidean distance, class indices counted as one-hot rows.

    Example:
        >>> import torch
        >>> from experiments.losses import BinaryCrossEntropy
        >>> answers = Answers(torch.zeros(1, 2, 2), torch.tensor([0, 1]), BinaryCrossEntropy())
        >>> SquaredDistance()(answers)
        tensor([0.5000], dtype=torch.float64)
    """

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        a, t = answers.loss.prediction(answers.z), answers.target
        if not t.is_floating_point():
            t = nn.functional.one_hot(t, a.shape[-1]) if a.shape[-1] > 1 else t.reshape(-1, 1)
        return (a - t).square().sum(-1).mean(-1)
