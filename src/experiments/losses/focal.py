r"""Focal loss: cross-entropy that down-weights examples that are already classified well.

::

    f(u)    = (1 - p)^gamma u                        u = -log p, p = e^-u, q = 1 - p
    f'(u)   = q^gamma (1 + gamma p u / q)
    f''(u)  = gamma p q^(gamma - 1) (2 - u + (gamma - 1) p u / q)

    softmax   C_d = sum_j t_j f(u_j),   delta_k = sum_j t_j f'(u_j) (a_k - [j = k])
    sigmoid   C_d = sum_j t_j f(-log a_j) + (1 - t_j) f(-log(1 - a_j))
              delta_j = -t_j f'(-log a_j) (1 - a_j) + (1 - t_j) f'(-log(1 - a_j)) a_j

Where the answer is confidently wrong, f' tends to 1 and delta to that of cross-entropy; where it is
right, f' tends to (1 + gamma) q^gamma. gamma = 0 is cross-entropy. For gamma > 0 the loss is not convex
(f'' < 0 for large u) and not proper: its minimum is not the true conditional probability.

Range: [0, inf).   Normaliser: none with a softmax; the sum over the outputs with a sigmoid.
Targets: classes; rows that sum to one (softmax) or numbers in [0, 1] (sigmoid) weight the terms.

References:
    Lin, Goyal, Girshick, He & Dollár, Focal Loss for Dense Object Detection (2017), eq. 4.
"""

import math
from typing import ClassVar, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.finite import finite
from experiments.core.link import SigmoidOutput, SoftmaxOutput
from experiments.core.loss import Loss
from experiments.core.target import TargetKind, as_rows

Terms = tuple[SigmoidOutput | SoftmaxOutput, Tensor]


def focus(p: Tensor, q: Tensor, u: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """f' and f''. At q = 0, u / q takes its limit 1; f'' is set to 0, as it only occurs times q."""
    certain = q == 0
    ratio = torch.where(certain, 1.0, u / q)
    slope = q**gamma * (1 + gamma * p * ratio)
    curvature = gamma * p * q**gamma / q * (2 - u + (gamma - 1) * p * ratio)
    return slope, torch.where(certain, 0.0, curvature)


@final
class Focal(Loss):
    """C_d = -(1 - a_y)^gamma log a_y.

    Args:
        gamma: how strongly right answers are down-weighted, >= 0; 0 is cross-entropy, 2 as published.
        link: ``"softmax"``, or ``"sigmoid"`` for one yes-or-no question per output, as published.

    Raises:
        ConfigurationError: if gamma is negative or not finite, or for another link.

    Example:
        >>> import torch
        >>> Focal(gamma=1.0).per_example(torch.zeros(1, 2), torch.tensor([0]))  # log(2) / 2
        tensor([0.3466])
    """

    links: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")

    def __init__(self, gamma: float | int = 2.0, link: str = "softmax") -> None:
        super().__init__(link)
        self.gamma = finite("gamma", gamma, low=0.0)
        self.target_kind: TargetKind = "distribution" if link == "softmax" else "share"

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        output = SoftmaxOutput(z) if self.link == "softmax" else SigmoidOutput(z)
        return output, as_rows(t, z)

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        output, t = terms
        if isinstance(output, SoftmaxOutput):
            return (t * output.b**self.gamma * output.surprisals()).sum(-1)
        yes, no = output.surprisals()
        return (t * output.b**self.gamma * yes + (1 - t) * output.a**self.gamma * no).sum(-1)

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        output, t = terms
        a, b = output.a, output.b
        if isinstance(output, SoftmaxOutput):
            weight = t * focus(a, b, output.surprisals(), self.gamma)[0]
            return a * (weight.sum(-1, keepdim=True) - weight) - weight * b
        yes, no = output.surprisals()
        slope_yes, _ = focus(a, b, yes, self.gamma)
        slope_no, _ = focus(b, a, no, self.gamma)
        return (1 - t) * a * slope_no - t * b * slope_yes

    def hessian_product(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        output, t = self.terms(z, t)
        a, b = output.a, output.b
        if isinstance(output, SoftmaxOutput):
            slope, curvature = focus(a, b, output.surprisals(), self.gamma)
            v = v - v.gather(-1, output.top)
            weight = t * curvature * ((a * v).sum(-1, keepdim=True) - v)
            from_curvature = a * (weight.sum(-1, keepdim=True) - weight) - weight * b
            from_slope = (t * slope).sum(-1, keepdim=True) * output.jacobian_product(v)
            return from_curvature + from_slope
        yes, no = output.surprisals()
        slope_yes, curvature_yes = focus(a, b, yes, self.gamma)
        slope_no, curvature_no = focus(b, a, no, self.gamma)
        h_yes = t * b * (curvature_yes * b + slope_yes * a)
        h_no = (1 - t) * a * (curvature_no * a + slope_no * b)
        return v * (h_yes + h_no)

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, math.inf
