r"""Mean squared error: the mean over the outputs, as torch.nn.MSELoss does within one example.

::

    C_d     = 1/n_L sum_j (a_j - t_j)^2
    delta   = 2/n_L J (a - t)                 J = da/dz of the link
    H v     = 2/n_L [J J v + (dJ/dz . v) (a - t)]

    link       delta_j                                              cost of a class    convex in z
    identity   2/n_L (a_j - t_j)                                    [0, inf)           yes
    sigmoid    2/n_L (a_j - t_j) a_j (1 - a_j)                      [0, 1)             no
    softmax    2/n_L a_j [(a_j - t_j) - sum_k a_k (a_k - t_k)]      [0, 2 / n_L)       no

Ten outputs make this gradient five times smaller than half the sum's: two runs with equal learning
rates and these two losses are not comparable.

Normaliser: the mean over the outputs.   Targets: any values, or classes.

References:
    torch.nn.MSELoss (with the mean over the batch taken by ``forward``).
"""

from typing import ClassVar, final

from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.link import Linked, link_at
from experiments.core.loss import Loss
from experiments.core.target import TargetKind

Terms = tuple[Linked, Tensor]


@final
class MeanSquaredError(Loss):
    """C_d = 1/n_L sum_j (a_j - t_j)^2.

    Args:
        link: ``"identity"``, ``"sigmoid"`` or ``"softmax"``.

    Example:
        >>> import torch
        >>> MeanSquaredError().per_example(torch.tensor([[3.0, 1.0]]), torch.tensor([0]))
        tensor([2.5000])
    """

    links: ClassVar[tuple[str, ...]] = ("identity", "sigmoid", "softmax")
    normaliser = "the mean over the outputs"
    target_kind: TargetKind = "value"

    def __init__(self, link: str = "identity") -> None:
        super().__init__(link)

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        at_z = link_at(self.link, z)
        return at_z, at_z.residual(t)

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        _, residual = terms
        return residual.square().mean(-1)

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        at_z, residual = terms
        return at_z.pull(residual * (2 / residual.shape[-1]))

    def curve(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        at_z, residual = self.terms(z, t)
        return (at_z.pull(at_z.pull(v)) + at_z.bend(residual, v)) * (2 / z.shape[-1])

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, {"identity": float("inf"), "sigmoid": 1.0, "softmax": 2 / n_out}[self.link]
