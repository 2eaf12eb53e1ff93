"""What the squared errors share: the squared distance from prediction to target, times a number.

::

    C_d   = c sum_j (a_j - t_j)^2
    delta = 2 c J (a - t)                     J = da/dz of the link
    H v   = 2 c [J J v + (dJ/dz . v) (a - t)]

A room says what c is: "squared error" is used for c = 1/2, 1 and 1/n_L, and to take one for another
scales the gradient, as a learning rate would, by 2 or by the number of outputs.
"""

from abc import abstractmethod
from typing import ClassVar, final

from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.link import Linked, link_at
from experiments.core.loss import Loss
from experiments.core.target import TargetKind

Terms = tuple[Linked, Tensor]


class SquaredDistance(Loss):
    """c sum_j (a_j - t_j)^2 behind a link."""

    links: ClassVar[tuple[str, ...]] = ("identity", "sigmoid", "softmax")
    target_kind: TargetKind = "value"

    @abstractmethod
    def factor(self, n_out: int) -> float:
        """c, for a network of n_L outputs."""

    @final
    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        at_z = link_at(self.link, z)
        return at_z, at_z.residual(t)

    @final
    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        _, residual = terms
        return residual.square().sum(-1) * self.factor(residual.shape[-1])

    @final
    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        at_z, residual = terms
        twice = 2 * self.factor(residual.shape[-1])
        return at_z.pull(residual if twice == 1 else residual * twice)

    @final
    def curve(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        at_z, residual = self.terms(z, t)
        return (at_z.pull(at_z.pull(v)) + at_z.bend(residual, v)) * (2 * self.factor(z.shape[-1]))

    @final
    def bounds(self, n_out: int) -> tuple[float, float]:
        # sigmoids can all be wrong by 1; a softmax that is sure of a wrong class is wrong by 1 twice
        farthest = {"identity": float("inf"), "sigmoid": float(n_out), "softmax": 2.0}
        return 0.0, self.factor(n_out) * farthest[self.link]
