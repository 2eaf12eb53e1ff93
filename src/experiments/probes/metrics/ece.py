"""Expected calibration error: the difference between confidence and accuracy.

    ECE = sum_b |B_b| / N  |acc(B_b) - conf(B_b)|        B_b: examples with confidence in [b-1, b) / bins

Bins have equal width; the last one includes 1. The number depends on the bins, and bins with few examples
bias it upwards, so compare only values with the same bins and the same N.

References:
    Naeini, Cooper & Hauskrecht (2015); Guo, Pleiss, Sun & Weinberger (2017).
"""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from experiments.core.metric import Answers, Metric
from experiments.core.whole import whole

#: the customary number of bins
BINS = 15


class ReliabilityBins(NamedTuple):
    """A reliability diagram, (R, bins) each; sums over the examples of a bin, not means."""

    examples: Tensor
    confidence: Tensor
    right: Tensor


def bin_of(
    confidence: Float64[Tensor, "runs examples"], bins: int
) -> Int64[Tensor, "runs examples"]:
    """The bin of every confidence, counted from 0; NaN is placed in the last one.

    >>> bin_of(torch.tensor([[0.1, 0.5, 1.0, torch.nan]], dtype=torch.float64), bins=2)
    tensor([[0, 1, 1, 1]])
    """
    edges = torch.linspace(0, 1, bins + 1, dtype=confidence.dtype, device=confidence.device)
    return (torch.bucketize(confidence, edges, right=True) - 1).clamp(0, bins - 1)


def reliability(
    confidence: Float64[Tensor, "runs examples"], right: Bool[Tensor, "runs examples"], bins: int
) -> ReliabilityBins:
    """Assign the examples of every run to bins of equal width.

    Example:
        >>> c = torch.tensor([[0.1, 0.9, 1.0]], dtype=torch.float64)
        >>> reliability(c, torch.tensor([[True, True, False]]), bins=2).examples
        tensor([[1., 2.]], dtype=torch.float64)
    """
    index = bin_of(confidence, bins)  # a NaN makes the last bin NaN, as it should
    empty = confidence.new_zeros(len(confidence), bins)
    return ReliabilityBins(
        examples=empty.scatter_add(-1, index, torch.ones_like(confidence)),
        confidence=empty.scatter_add(-1, index, confidence),
        right=empty.scatter_add(-1, index, right.to(confidence.dtype)),
    )


@final
@dataclass(frozen=True)
class ECE(Metric):
    """Expected calibration error of the predicted class.

    Args:
        bins: number of bins, >= 1; usually 15, sometimes 10.

    Raises:
        ConfigurationError: unless ``bins`` is a whole number from 1.

    Example:
        >>> from experiments.losses import CrossEntropy
        >>> ECE()(Answers(torch.zeros(1, 4, 2), torch.tensor([0, 0, 0, 1]), CrossEntropy()))
        tensor([0.2500], dtype=torch.float64)
    """

    bins: int = BINS

    def __post_init__(self) -> None:
        whole("metric bins", self.bins, 1)

    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        bins = reliability(answers.confidence, answers.right, self.bins)
        return (bins.right - bins.confidence).abs().sum(-1) / answers.confidence.shape[-1]
