"""The common part of the squared errors: c times the squared distance from prediction to target.

::

    C_d   = c sum_j (a_j - t_j)^2
    delta = 2 c J (a - t)                     J = da/dz of the link
    H v   = 2 c [J J v + (dJ/dz . v) (a - t)]

Each loss defines c. The literature says "squared error" for c = 1/2, 1 and 1/n_L; confusing them scales
the gradient, like a change of the learning rate, by 2 or by the number of outputs.
"""

from abc import abstractmethod
from typing import ClassVar, final

from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.link import LinkedOutput, apply_link
from experiments.core.loss import Loss
from experiments.core.target import TargetKind

Terms = tuple[LinkedOutput, Tensor]


class SquaredLoss(Loss):
    """c sum_j (a_j - t_j)^2 behind a link."""

    links: ClassVar[tuple[str, ...]] = ("identity", "sigmoid", "softmax")
    target_kind: TargetKind = "value"

    @abstractmethod
    def factor(self, n_out: int) -> float:
        """c, for a network of n_L outputs."""

    @final
    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        output = apply_link(self.link, z)
        return output, output.residual(t)

    @final
    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        _, residual = terms
        return residual.square().sum(-1) * self.factor(residual.shape[-1])

    @final
    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        output, residual = terms
        twice = 2 * self.factor(residual.shape[-1])
        return output.jacobian_product(residual if twice == 1 else residual * twice)

    @final
    def hessian_product(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        output, residual = self.terms(z, t)
        gauss_newton = output.jacobian_product(output.jacobian_product(v))
        rest = output.jacobian_derivative(residual, v)
        return (gauss_newton + rest) * (2 * self.factor(z.shape[-1]))

    @final
    def bounds(self, n_out: int) -> tuple[float, float]:
        # every sigmoid can be wrong by 1; a softmax that is certain of a wrong class is wrong by 1 twice
        farthest = {"identity": float("inf"), "sigmoid": float(n_out), "softmax": 2.0}
        return 0.0, self.factor(n_out) * farthest[self.link]
