r"""Squared error: the squared distance from prediction to target, with no half (note 004).

::

    C_d     = sum_j (a_j - t_j)^2
    delta   = 2 J (a - t)                     J = da/dz of the link
    H v     = 2 [J J v + (dJ/dz . v) (a - t)]

    link       delta_j                                          cost of a class   convex in z
    identity   2 (a_j - t_j)                                    [0, inf)          yes
    sigmoid    2 (a_j - t_j) a_j (1 - a_j)                      [0, n_L)          no
    softmax    2 a_j [(a_j - t_j) - sum_k a_k (a_k - t_k)]      [0, 2)            no

On a softmax this is the Brier score. Note 004 prints the derivative with the bracket squared; it is
2 (x-hat - y).

Normaliser: the sum over the outputs.   Targets: any values, or classes.

References:
    Note 004, "Cost function"; Brier (1950).
"""

from typing import ClassVar, final

from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.link import Linked, link_at
from experiments.core.loss import Loss
from experiments.core.target import TargetKind

Terms = tuple[Linked, Tensor]


@final
class SquaredError(Loss):
    """C_d = sum_j (a_j - t_j)^2.

    Args:
        link: ``"identity"``, ``"sigmoid"`` or ``"softmax"``.

    Example:
        >>> import torch
        >>> SquaredError().delta(torch.tensor([[3.0, 0.5]]), torch.tensor([0]))
        tensor([[4., 1.]])
    """

    links: ClassVar[tuple[str, ...]] = ("identity", "sigmoid", "softmax")
    normaliser = "the sum over the outputs"
    target_kind: TargetKind = "value"

    def __init__(self, link: str = "identity") -> None:
        super().__init__(link)

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        at_z = link_at(self.link, z)
        return at_z, at_z.residual(t)

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        _, residual = terms
        return residual.square().sum(-1)

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        at_z, residual = terms
        return at_z.pull(2 * residual)

    def curve(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        at_z, residual = self.terms(z, t)
        return 2 * (at_z.pull(at_z.pull(v)) + at_z.bend(residual, v))

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, {"identity": float("inf"), "sigmoid": float(n_out), "softmax": 2.0}[self.link]
