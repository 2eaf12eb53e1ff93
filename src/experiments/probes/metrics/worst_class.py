"""Worst class: the smallest accuracy of any class.

    WorstClass = min over classes k of (right answers of class k) / (examples of class k)

With imbalanced classes, the mean accuracy hides that a rare class is never predicted. Classes without
examples in the split are ignored.
"""

from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from experiments.core.metric import Answers, Metric


@final
class WorstClass(Metric):
    """The smallest accuracy of any class.

    Example:
        >>> from experiments.losses import CrossEntropy
        >>> z = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])
        >>> WorstClass()(Answers(z, torch.tensor([0, 0, 1]), CrossEntropy()))
        tensor([0.], dtype=torch.float64)
    """

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        if not len(answers.classes):
            return answers.z.new_full((len(answers.z),), torch.nan)
        members = nn.functional.one_hot(answers.classes).double()
        count = members.sum(0)
        share = (answers.right.double() @ members) / count
        # NaN for runs with outputs that are not finite, which are neither right nor wrong
        finite = answers.z.isfinite().flatten(1).all(1)
        return torch.where(finite, share[:, count > 0].amin(-1), torch.nan)
