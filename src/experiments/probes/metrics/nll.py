"""Negative log-likelihood: what the answers cost under the logarithmic score.

    NLL = -1/N sum_d ln max(p_y(d), floor)                                [nats, a mean over examples]

Of a softmax it is the cross-entropy. Raw outputs and sigmoids make probabilities by dividing by their sum
(``experiments.core.metric``); a raw output of 0 or less for the right class would cost infinity, so the
floor says what such an answer costs, -ln floor, and the mean depends on it.

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
        floor: the least probability that an answer is taken to claim; in (0, 1).

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
        where = answers.classes.expand(p.shape[:-1]).unsqueeze(-1)
        return -p.gather(-1, where).squeeze(-1).clamp(min=self.floor).log().mean(-1)
