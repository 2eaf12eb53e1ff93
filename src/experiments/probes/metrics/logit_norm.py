"""Logit norm: the size of the raw outputs.

    LogitNorm = 1/N sum_d ||z^[L](d)||_2                                          a mean over examples

Once the training data are fitted, a cross-entropy still decreases as the outputs grow, so they grow without
bound. With squared error on raw outputs, the targets keep them close to 1.

References:
    Soudry et al. (2018), "The implicit bias of gradient descent on separable data".
"""

from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.metric import Answers, Metric


@final
class LogitNorm(Metric):
    """Mean Euclidean norm of the raw output.

    Example:
        >>> import torch
        >>> from experiments.losses import CrossEntropy
        >>> LogitNorm()(Answers(torch.tensor([[[3.0, 4.0]]]), torch.tensor([0]), CrossEntropy()))
        tensor([5.], dtype=torch.float64)
    """

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        norms: Tensor = torch.linalg.vector_norm(answers.z, dim=-1)
        return norms.mean(-1)
