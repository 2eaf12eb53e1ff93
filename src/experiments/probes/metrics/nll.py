"""Negative log-likelihood: the logarithmic score of the probabilities.

    NLL = -1/N sum_d ln max(p_y(d), floor)                                [nats, a mean over examples]

For a softmax it is the cross-entropy. Raw outputs and sigmoids are divided by their sum to give probabilities
(``experiments.core.metric``). A raw output of 0 or less for the right class would give infinity; the floor
limits this to -ln floor, and the mean depends on it.

References:
    Good (1952), "Rational decisions".
"""

import math
from dataclasses import dataclass
from typing import final

from jaxtyping import Float64
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.core.metric import Answers, Metric


@final
@dataclass(frozen=True)
class NLL(Metric):
    """Mean of -ln p_y.

    Args:
        floor: smaller probabilities are replaced by this; in (0, 1).

    Raises:
        ConfigurationError: for a floor outside (0, 1).

    Example:
        >>> import torch
        >>> from experiments.losses import CrossEntropy
        >>> logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0]]])
        >>> NLL()(Answers(logits, torch.tensor([0, 1]), CrossEntropy()))
        tensor([0.6931], dtype=torch.float64)
    """

    floor: float = 1e-12

    def __post_init__(self) -> None:
        if not (math.isfinite(self.floor) and 0 < self.floor < 1):
            raise ConfigurationError(
                describe(f"metric floor={self.floor!r}", "a number in (0, 1)", "set floor=1e-12")
            )

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        p = answers.probabilities
        index = answers.classes.expand(p.shape[:-1]).unsqueeze(-1)
        return -p.gather(-1, index).squeeze(-1).clamp(min=self.floor).log().mean(-1)
