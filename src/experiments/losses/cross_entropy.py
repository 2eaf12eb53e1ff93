r"""Cross-entropy on a softmax: the negative log-likelihood of the class.

::

    C_d     = log sum_j e^z_j - sum_j t_j z_j        (= -log a_y for a class y)
    delta   = a - t                                  a = softmax(z)
    H v     = a (v - <a, v>)                         H = diag(a) - a a^T, convex

Form: with m the largest logit, e_j = e^(z_j - m) and S the sum of e_j over the classes j != y,

    C_d = (m - z_y) + log1p(S + (e_y - 1)),    delta_y = -S / (e_y + S)    instead of a_y - 1,

so cost and delta keep their digits whether the answer is confidently right or confidently wrong.

Range: [0, inf).   Normaliser: none, one number per example (nats).   Targets: classes, or rows that
sum to one (soft targets), for which the infimum is the entropy of the row.

References:
    Note 001's question; Glorot & Bengio (2010), section 4.1; torch.nn.functional.cross_entropy.
"""

from typing import ClassVar, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.branching import readable
from experiments.core.link import SoftmaxOutput
from experiments.core.loss import Loss
from experiments.core.target import TargetKind

#: C_d and delta
Terms = tuple[Tensor, Tensor]


@final
class CrossEntropy(Loss):
    """C_d = -log softmax(z)_y.

    Args:
        link: ``"softmax"``, the only one.

    Example:
        A confidently wrong answer has the largest possible gradient:

        >>> import torch
        >>> CrossEntropy().delta(torch.tensor([[1e4, -1e4]]), torch.tensor([1]))
        tensor([[ 1., -1.]])
    """

    links: ClassVar[tuple[str, ...]] = ("softmax",)
    target_kind: TargetKind = "distribution"

    def __init__(self, link: str = "softmax") -> None:
        super().__init__(link)

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        if t.is_floating_point():
            output = SoftmaxOutput(z)
            return (t * output.surprisals()).sum(-1), output.residual(t)
        # in place, except under torch.func and torch.compile, which need the functional form
        scatter = Tensor.scatter_ if readable(z) and readable(t) else Tensor.scatter
        m = z.amax(-1, keepdim=True)
        e = torch.exp(z - m)
        e_y, others = e.gather(-1, t), scatter(e, -1, t, 0.0)
        S = others.sum(-1, keepdim=True)
        cost = (m - z.gather(-1, t)) + torch.log1p(S + (e_y - 1))
        return cost.squeeze(-1), scatter(others, -1, t, -S).div_(e_y + S)

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        cost, _ = terms
        return cost

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        _, delta = terms
        return delta

    def hessian_product(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        return SoftmaxOutput(z).jacobian_product(v)

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, float("inf")
