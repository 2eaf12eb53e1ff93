r"""Binary cross-entropy on sigmoids: one independent yes-or-no question per output.

::

    C_d     = sum_j [ -t_j log a_j - (1 - t_j) log(1 - a_j) ]        a = sigmoid(z)
    delta   = a - t
    H v     = a (1 - a) v                                            convex

Form: -log a = log1p(e^-|z|) + max(-z, 0), and likewise with -z for 1 - a; where t_j = 1,
delta_j = -sigmoid(-z_j). Cost and delta keep their digits in both tails.

Range: [0, inf).   Normaliser: the sum over the outputs (torch's default takes the mean).
Targets: numbers in [0, 1], whose entropy is the infimum; class indices count as one-hot rows.

References:
    Nielsen, Neural Networks and Deep Learning, ch. 3, eq. 57 and 63;
    torch.nn.functional.binary_cross_entropy_with_logits.
"""

from typing import ClassVar, final

from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.link import SigmoidOutput
from experiments.core.loss import Loss
from experiments.core.target import TargetKind

Terms = tuple[SigmoidOutput, Tensor]


@final
class BinaryCrossEntropy(Loss):
    """C_d = sum_j -t_j log a_j - (1 - t_j) log(1 - a_j), a = sigmoid(z).

    Args:
        link: ``"sigmoid"``, the only one.

    Example:
        >>> import torch
        >>> BinaryCrossEntropy().delta(torch.tensor([[0.0], [1e4]]), torch.tensor([1, 0]))
        tensor([[-0.5000],
                [ 1.0000]])
    """

    links: ClassVar[tuple[str, ...]] = ("sigmoid",)
    target_kind: TargetKind = "share"

    def __init__(self, link: str = "sigmoid") -> None:
        super().__init__(link)

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        return SigmoidOutput(z), t

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        output, t = terms
        yes, no = output.surprisals()
        if t.is_floating_point():
            return (t * yes + (1 - t) * no).sum(-1)
        return no.scatter(-1, t, yes.gather(-1, t)).sum(-1)

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        output, t = terms
        return output.residual(t)

    def hessian_product(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        return SigmoidOutput(z).jacobian_product(v)

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, float("inf")
