r"""Contract of a metric: one number per run, computed from the answers of a stack to a whole split.

Metrics of calibration need probabilities, which not every link provides directly::

    link       prediction a                  probabilities p, (R, N, K)
    softmax    rows that sum to one          a
    sigmoid    K independent numbers         a_j / sum_k a_k
    identity   any real numbers              a+_j / sum_k a+_k,  a+ = max(a, 0); 1/K where all a+ are 0
    any, one output                          (1 - a, a) with a clipped to [0, 1]
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from torch import Tensor

from experiments.core.loss import Loss
from experiments.core.target import as_rows, canonical


@dataclass(frozen=True)
class Answers:
    """The input of a metric: the answers of R runs to the N examples of one split.

    Everything is computed in float64, in which a probability of 1e-300 is not 0.

    Attributes:
        outputs: raw outputs z^[L], (R, N, n_L).
        t: the class of every example, an index (N,) or a row (N, n_L) with the largest entry at the class;
            or the values of a regression, (N, n_L).
        loss: its link gives the prediction, and its delta the gradient of training.
    """

    outputs: Float[Tensor, "runs examples n_out"]
    t: Shaped[Tensor, "examples *n_out"]
    loss: Loss

    @cached_property
    def z(self) -> Float64[Tensor, "runs examples n_out"]:
        """The raw outputs in float64; all NaN for a run with an output that is not finite.

        Otherwise an infinite logit would count as certainty, and a NaN be left out of a mean.
        """
        z = self.outputs.double()
        finite = z.isfinite().flatten(1).all(1)
        return torch.where(finite[:, None, None], z, torch.nan)

    @cached_property
    def target(self) -> Tensor:
        """The targets in the form that the loss accepts, values in float64."""
        return self.t.double() if self.t.is_floating_point() else self.t

    @cached_property
    def errors(self) -> Float64[Tensor, "runs examples n_out"]:
        """Prediction minus target; a class counts as a one-hot row, or as 0 or 1 with one output."""
        a = self.loss.prediction(self.z)
        return a - as_rows(canonical(a, self.t, "value"), a)

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
        """The probability of the predicted class."""
        return self.probabilities.amax(-1)

    @cached_property
    def right(self) -> Bool[Tensor, "runs examples"]:
        """Whether the predicted class is correct."""
        return self.loss.correct(self.z, self.target)

    @cached_property
    def delta(self) -> Float64[Tensor, "runs examples n_out"]:
        """delta^[L] of the cost of each example (no 1/N)."""
        return self.loss.delta(self.z, self.target)


class Metric(ABC):
    """A number that describes a network: a pure function of its answers, on their device.

    It is NaN for a split without examples, and for a run with outputs that are not finite.
    """

    #: whether it is about classes; it is then NaN for a regression
    needs_classes: ClassVar[bool] = True

    @abstractmethod
    def __call__(self, answers: Answers) -> Float64[Tensor, " runs"]:
        """One number per run."""
