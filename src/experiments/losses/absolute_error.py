r"""Absolute error: the sum of the absolute differences, a loss that is robust to wrong labels.

::

    C_d     = sum_j |a_j - t_j|
    delta   = J sign(a - t)                   J = da/dz of the link
    H v     = (dJ/dz . v) sign(a - t)         away from the kinks

    link       delta_j                                          cost of a class   convex in z
    identity   sign(a_j - t_j)                                  [0, inf)          yes
    sigmoid    sign(a_j - t_j) a_j (1 - a_j)                    [0, n_L)          no
    softmax    2 a_y a_j, and -2 a_y (1 - a_y) for j = y        [0, 2)            no

On a softmax C_d = 2 (1 - a_y), twice the expected number of errors. Its sum over all classes y is the
constant 2 (n_L - 1), so symmetric label noise rescales the risk but does not move its minimum.

Kink:   a_j = t_j, where the derivative is 0, as in torch.nn.L1Loss.
Normaliser: the sum over the outputs.   Targets: any values, or classes.

References:
    Ghosh, Kumar & Sastry (2017); Janocha & Czarnecki (2017).
"""

from typing import ClassVar, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.link import LinkedOutput, apply_link
from experiments.core.loss import Loss
from experiments.core.target import TargetKind

Terms = tuple[LinkedOutput, Tensor]


def sign(residual: Tensor) -> Tensor:
    """-1, 0 or 1; NaN for a NaN, for which torch.sign gives 0."""
    return torch.where(residual.isnan(), residual, residual.sign())


@final
class AbsoluteError(Loss):
    """C_d = sum_j |a_j - t_j|.

    Args:
        link: ``"identity"``, ``"sigmoid"`` or ``"softmax"``.

    Example:
        >>> import torch
        >>> AbsoluteError().per_example(torch.tensor([[3.0, 0.5]]), torch.tensor([0]))
        tensor([2.5000])
    """

    links: ClassVar[tuple[str, ...]] = ("identity", "sigmoid", "softmax")
    target_kind: TargetKind = "value"

    def __init__(self, link: str = "identity") -> None:
        super().__init__(link)

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        output = apply_link(self.link, z)
        return output, output.residual(t)

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        _, residual = terms
        return residual.abs().sum(-1)

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        output, residual = terms
        return output.jacobian_product(sign(residual))

    def hessian_product(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        output, residual = self.terms(z, t)
        return output.jacobian_derivative(sign(residual), v)

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, {"identity": float("inf"), "sigmoid": float(n_out), "softmax": 2.0}[self.link]
