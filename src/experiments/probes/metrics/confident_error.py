"""Confident errors: how many there are, and whether their gradient is still there.

    wrong and p_chosen >= threshold

    ConfidentErrors        = share of the examples that are so
    ConfidentErrorGradient = mean over them of ||delta^[L]||_2, delta of the example's own cost

With cross-entropy ||delta|| >= threshold there; a squared error on a sigmoid or a softmax sends it to 0,
so that the worst answers are the last to be mended.

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
        threshold: least confidence; in [0, 1].

    Raises:
        ConfigurationError: for a threshold outside [0, 1].
    """

    threshold: float = 0.9

    def __post_init__(self) -> None:
        _require_share(self.threshold)

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        chosen = _confidently_wrong(answers, self.threshold)
        # outputs that are not finite are no answers: their NaN is kept
        return torch.where(answers.confidence.isnan(), torch.nan, chosen.double()).mean(-1)


@final
@dataclass(frozen=True)
class ConfidentErrorGradient(Metric):
    """Mean norm of delta^[L] over the confidently wrong; NaN where there are none.

    Args:
        threshold: least confidence; in [0, 1].

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
        chosen = _confidently_wrong(answers, self.threshold)
        norms = torch.where(chosen, torch.linalg.vector_norm(answers.delta, dim=-1), 0.0)
        return norms.sum(-1) / chosen.sum(-1)
