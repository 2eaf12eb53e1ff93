r"""Focal loss: cross-entropy that down-weights examples which are already classified well.

::

    f(u)    = (1 - p)^gamma u                        u = -log p, p = e^-u, q = 1 - p
    f'(u)   = q^gamma (1 + gamma p u / q)
    f''(u)  = gamma p q^(gamma - 1) (2 - u + (gamma - 1) p u / q)

    softmax   C_d = sum_j t_j f(u_j),   delta_k = sum_j t_j f'(u_j) (a_k - [j = k])
    sigmoid   C_d = sum_j t_j f(-log a_j) + (1 - t_j) f(-log(1 - a_j))
              delta_j = -t_j f'(-log a_j) (1 - a_j) + (1 - t_j) f'(-log(1 - a_j)) a_j

The factor f' tends to 1 where the answer is confidently wrong, so delta is cross-entropy's there, and
to (1 + gamma) q^gamma where it is right. gamma = 0 is cross-entropy. Not convex for gamma > 0: f'' < 0
for large u. Not a proper loss: its minimum is not the true conditional probability.

Range: [0, inf).   Normaliser: none with a softmax; the sum over the outputs with a sigmoid.
Targets: classes; rows that sum to one (softmax) or shares (sigmoid) weigh the terms.

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
    """f' and f''. Where q is 0, u / q is its limit 1; f'' is put to 0: it only appears times q."""
    certain = q == 0
    ratio = torch.where(certain, 1.0, u / q)
    slope = q**gamma * (1 + gamma * p * ratio)
    curvature = gamma * p * q**gamma / q * (2 - u + (gamma - 1) * p * ratio)
    return slope, torch.where(certain, 0.0, curvature)


@final
class Focal(Loss):
    """C_d = -(1 - a_y)^gamma log a_y.

    Args:
        gamma: how strongly right answers are ignored, from 0 (cross-entropy); 2 as published.
        link: ``"softmax"``, or ``"sigmoid"`` for one yes-or-no question an output, as published.

    Raises:
        ConfigurationError: for a gamma that is not a finite number from 0, or another link.

    Example:
        >>> import torch
        >>> Focal(gamma=1.0).per_example(torch.zeros(1, 2), torch.tensor([0]))  # log(2) / 2
        tensor([0.3466])
    """

    links: ClassVar[tuple[str, ...]] = ("softmax", "sigmoid")
    normaliser = "none (softmax), the sum over the outputs (sigmoid)"

    def __init__(self, gamma: float | int = 2.0, link: str = "softmax") -> None:
        super().__init__(link)
        self.gamma = finite("gamma", gamma, low=0.0)
        self.target_kind: TargetKind = "distribution" if link == "softmax" else "share"

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        at_z = SoftmaxOutput(z) if self.link == "softmax" else SigmoidOutput(z)
        return at_z, as_rows(t, z)

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        at_z, t = terms
        if isinstance(at_z, SoftmaxOutput):
            return (t * at_z.b**self.gamma * at_z.surprise()).sum(-1)
        yes, no = at_z.surprise()
        return (t * at_z.b**self.gamma * yes + (1 - t) * at_z.a**self.gamma * no).sum(-1)

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        at_z, t = terms
        a, b = at_z.a, at_z.b
        if isinstance(at_z, SoftmaxOutput):
            weight = t * focus(a, b, at_z.surprise(), self.gamma)[0]
            return a * (weight.sum(-1, keepdim=True) - weight) - weight * b
        yes, no = at_z.surprise()
        first = focus(a, b, yes, self.gamma)[0], focus(b, a, no, self.gamma)[0]
        return (1 - t) * a * first[1] - t * b * first[0]

    def curve(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        at_z, t = self.terms(z, t)
        a, b = at_z.a, at_z.b
        if isinstance(at_z, SoftmaxOutput):
            first, second = focus(a, b, at_z.surprise(), self.gamma)
            v = v - v.gather(-1, at_z.top)
            bent = t * second * ((a * v).sum(-1, keepdim=True) - v)
            bent = a * (bent.sum(-1, keepdim=True) - bent) - bent * b
            return bent + (t * first).sum(-1, keepdim=True) * at_z.pull(v)
        yes, no = at_z.surprise()
        (up, up_bent), (down, down_bent) = (
            focus(a, b, yes, self.gamma),
            focus(b, a, no, self.gamma),
        )
        return v * (t * b * (up_bent * b + up * a) + (1 - t) * a * (down_bent * a + down * b))

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, math.inf
