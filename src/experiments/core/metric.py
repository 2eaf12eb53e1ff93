r"""Contract of a metric: a stack's answers to one whole split in, one number per run out.

A metric of calibration asks for probabilities, and not every head gives them::

    link       prediction a                  probabilities p, (R, N, K)
    softmax    rows that sum to one          a
    sigmoid    K independent numbers         a_j / sum_k a_k
    identity   any real numbers              a+_j / sum_k a+_k,  a+ = max(a, 0); 1/K where all a+ are 0
    any, one output                          (1 - a, a) with a clipped to [0, 1]
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from torch import Tensor

from experiments.core.loss import Loss


@dataclass(frozen=True)
class Answers:
    """What a metric may look at: the answers of R runs to the N examples of one split.

    Everything is computed in float64, where a probability of 1e-300 is still a number.

    Attributes:
        outputs: raw outputs z^[L], (R, N, n_L).
        t: the class of every example: an index (N,), or a row (N, n_L) whose largest entry counts.
        loss: its link makes the prediction, its delta is what a step of training would follow.
    """

    outputs: Float[Tensor, "runs examples n_out"]
    t: Shaped[Tensor, "examples *n_out"]
    loss: Loss

    @cached_property
    def z(self) -> Float64[Tensor, "runs examples n_out"]:
        """The raw outputs in float64; all NaN for a run of which one is not finite.

        A logit of infinity would otherwise pass for certainty, and a NaN be left out of a mean.
        """
        z = self.outputs.double()
        known = z.isfinite().flatten(1).all(1)
        return torch.where(known[:, None, None], z, torch.nan)

    @cached_property
    def target(self) -> Tensor:
        """The targets as the loss takes them, values in float64."""
        return self.t.double() if self.t.is_floating_point() else self.t

    @cached_property
    def classes(self) -> Int64[Tensor, " examples"]:
        """The class of every example; with one output, 1 where the target lies above 1/2."""
        if self.outputs.shape[-1] == 1:
            return (self.t.reshape(len(self.t)) > 0.5).long()
        return self.t.long() if self.t.ndim == 1 else self.t.double().argmax(-1)

    @cached_property
    def probabilities(self) -> Float64[Tensor, "runs examples classes"]:
        """p of the table above: rows that sum to one."""
        a = self.loss.prediction(self.z)
        if a.shape[-1] == 1:
            a = a.clamp(0.0, 1.0)
            return torch.cat([1 - a, a], dim=-1)
        if self.loss.link == "softmax":
            return a
        a = a.clamp(min=0.0)
        total = a.sum(-1, keepdim=True)
        return torch.where(total > 0, a / total, torch.where(total == 0, 1 / a.shape[-1], total))

    @cached_property
    def confidence(self) -> Float64[Tensor, "runs examples"]:
        """The probability of the class that is chosen."""
        return self.probabilities.amax(-1)

    @cached_property
    def right(self) -> Bool[Tensor, "runs examples"]:
        """Whether the class that is chosen is the target's."""
        return self.loss.correct(self.z, self.target)

    @cached_property
    def delta(self) -> Float64[Tensor, "runs examples n_out"]:
        """delta^[L] of each example's own cost (no 1/N)."""
        return self.loss.delta(self.z, self.target)


class Metric(ABC):
    """One number worth knowing of a classifier: a pure function of its answers, on their device.

    A mean over no examples is NaN, and so is whatever a run whose outputs are not finite gets.
    """

    @abstractmethod
    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        """One number per run."""
