r"""Cross-entropy on a softmax: the negative log-likelihood of the class.

::

    C_d     = log sum_j e^z_j - sum_j t_j z_j        (= -log a_y for a class y)
    delta   = a - t                                  a = softmax(z)
    H v     = a (v - <a, v>)                         H = diag(a) - a a^T, convex

Form: with m the largest logit and e_j = e^(z_j - m), a class y has delta_y = -(sum of the other a_j),
not a_y - 1, and C_d = (m - z_y) + log1p(S + (e_y - 1)), S the sum of the other e_j. Cost and delta keep
their digits both where the answer is confidently right and where it is confidently wrong.

Range: [0, inf).   Normaliser: none, one number per example (nats).   Targets: classes, or rows that
sum to one (soft targets), for which the infimum is the row's entropy.

References:
    Note 001's question; Glorot & Bengio (2010), section 4.1; torch.nn.functional.cross_entropy.
"""

from typing import ClassVar, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.link import SoftmaxOutput
from experiments.core.loss import Loss
from experiments.core.target import TargetKind, readable

Terms = tuple[Tensor, Tensor]


@final
class CrossEntropy(Loss):
    """C_d = -log softmax(z)_y.

    Args:
        link: ``"softmax"``, the only one.

    Example:
        A confidently wrong answer: the gradient is as large as it can be.

        >>> import torch
        >>> CrossEntropy().delta(torch.tensor([[1e4, -1e4]]), torch.tensor([1]))
        tensor([[ 1., -1.]])
    """

    links: ClassVar[tuple[str, ...]] = ("softmax",)
    normaliser = "none"
    target_kind: TargetKind = "distribution"

    def __init__(self, link: str = "softmax") -> None:
        super().__init__(link)

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        if t.is_floating_point():
            at_z = SoftmaxOutput(z)
            return (t * at_z.surprise()).sum(-1), at_z.residual(t)
        # a mapped function has no rule for scattering in place, and a graph would need what it lost
        graph = torch.is_grad_enabled() and z.requires_grad
        ordinary = readable(z) and readable(t) and not graph
        put = Tensor.scatter_ if ordinary else Tensor.scatter
        largest = z.amax(-1, keepdim=True)
        e = torch.exp(z - largest)
        own = e.gather(-1, t)
        e = put(e, -1, t, 0.0)
        others = e.sum(-1, keepdim=True)
        gap = largest - z.gather(-1, t)
        cost = gap + torch.log1p(others + (own - 1))
        return cost.squeeze(-1), put(e, -1, t, -others).div_(own + others)

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        return terms[0]

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        return terms[1]

    def curve(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        return SoftmaxOutput(z).pull(v)

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, float("inf")
