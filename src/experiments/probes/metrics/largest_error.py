"""Largest error of any output: the distance in which the universal approximation theorem measures.

    LargestError = max_d max_j |a_dj^[L] - t_dj|                         over examples and outputs

a^[L] is the prediction of the loss's link. On a finite split it is a lower bound on the supremum over all
inputs.

References:
    Cybenko (1989); Hornik (1991).
"""

from typing import ClassVar, final

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.metric import Answers, Metric


@final
class LargestError(Metric):
    """Largest distance of a predicted number from its target, with class indices as one-hot rows.

    Example:
        >>> from experiments.losses import MeanSquaredError
        >>> outputs, t = torch.tensor([[[0.0], [1.0], [2.5]]]), torch.tensor([[0.0], [2.0], [2.0]])
        >>> LargestError()(Answers(outputs, t, MeanSquaredError()))
        tensor([1.], dtype=torch.float64)
    """

    needs_classes: ClassVar[bool] = False

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        errors = answers.errors.abs()
        if not errors.shape[1]:
            return errors.new_full(errors.shape[:1], torch.nan)
        return errors.amax((-1, -2))
