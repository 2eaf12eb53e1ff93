"""Confident errors: how many there are, and how large their gradient is.

    confident error: a wrong prediction with p_predicted >= threshold

    ConfidentErrors        = share of confident errors among the examples
    ConfidentErrorGradient = mean over them of ||delta^[L]||_2, delta of the cost of the example

With cross-entropy, ||delta|| >= threshold for these. With squared error on a sigmoid or a softmax it tends to
0, so that the worst answers are corrected last.

References:
    Nielsen (2015), chapter 3, "learning slowdown"; Golik, Doetsch & Ney (2013).
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.core.metric import Answers, Metric


def _confidently_wrong(answers: Answers, threshold: float) -> Bool[Tensor, "runs examples"]:
    return ~answers.right & (answers.confidence >= threshold)


def _require_share(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise ConfigurationError(
            describe(f"metric threshold={threshold!r}", "a share in [0, 1]", "set threshold=0.9")
        )


@final
@dataclass(frozen=True)
class ConfidentErrors(Metric):
    """Share of the examples that are confidently wrong.

    Args:
        threshold: smallest confidence, in [0, 1].

    Raises:
        ConfigurationError: for a threshold outside [0, 1].
    """

    threshold: float = 0.9

    def __post_init__(self) -> None:
        _require_share(self.threshold)

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        wrong = _confidently_wrong(answers, self.threshold)
        # outputs that are not finite give NaN
        return torch.where(answers.confidence.isnan(), torch.nan, wrong.double()).mean(-1)


@final
@dataclass(frozen=True)
class ConfidentErrorGradient(Metric):
    """Mean norm of delta^[L] over the confident errors; NaN if there are none.

    Args:
        threshold: smallest confidence, in [0, 1].

    Raises:
        ConfigurationError: for a threshold outside [0, 1].

    Example:
        >>> from experiments.losses import CrossEntropy, HalfSquaredError
        >>> z, t = torch.tensor([[[20.0, 0.0]]]), torch.tensor([1])
        >>> ConfidentErrorGradient()(Answers(z, t, CrossEntropy()))
        tensor([1.4142], dtype=torch.float64)
        >>> bool(ConfidentErrorGradient()(Answers(z, t, HalfSquaredError(link="softmax"))) < 1e-8)
        True
    """

    threshold: float = 0.9

    def __post_init__(self) -> None:
        _require_share(self.threshold)

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        wrong = _confidently_wrong(answers, self.threshold)
        norms = torch.where(wrong, torch.linalg.vector_norm(answers.delta, dim=-1), 0.0)
        return norms.sum(-1) / wrong.sum(-1)
