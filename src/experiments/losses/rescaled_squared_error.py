r"""Rescaled squared error: squared error on raw outputs, with more weight on the right class.

::

    C_d       = 1/n_L [ k (z_y - M)^2 + sum_{j != y} z_j^2 ]
    delta_y   = 2/n_L k (z_y - M)
    delta_j   = 2/n_L z_j                                         j != y
    H         = 2/n_L diag(1, ..., k, ..., 1)                     convex, constant

With many classes the plain mean is dominated by the n_L - 1 outputs with target 0; k and M restore the
weight of the right class. The published choice is k = M = 1 up to about 42 classes, and k = 15, M = 30
beyond.

Range: [0, inf).   Normaliser: the mean over the outputs.   Targets: classes, or one-hot rows.

References:
    Hui & Belkin, Evaluation of Neural Architectures Trained with Square Loss vs Cross-Entropy in
    Classification Tasks (2021), section 2.
"""

import math
from typing import ClassVar, final

from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.core.finite import finite
from experiments.core.loss import Loss
from experiments.core.target import TargetKind, as_rows

Terms = tuple[Tensor, Tensor]


@final
class RescaledSquaredError(Loss):
    """C_d = 1/n_L [k (z_y - M)^2 + sum of the other z_j^2].

    Args:
        k: weight of the right class, above 0.
        M: target value of the right class, above 0.
        link: ``"identity"``, the only one.

    Raises:
        ConfigurationError: for a k or M that is not a finite number above 0, or another link.

    Example:
        >>> import torch
        >>> loss = RescaledSquaredError(k=3.0, M=2.0)
        >>> loss.delta(torch.tensor([[1.0, 0.5]]), torch.tensor([0]))
        tensor([[-3.0000,  0.5000]])
    """

    links: ClassVar[tuple[str, ...]] = ("identity",)
    target_kind: TargetKind = "class"

    def __init__(self, k: float | int = 1.0, M: float | int = 1.0, link: str = "identity") -> None:
        super().__init__(link)
        self.k, self.M = finite("k", k, low=0.0), finite("M", M, low=0.0)
        if self.k == 0 or self.M == 0:
            raise ConfigurationError(
                describe(f"k={self.k:g}, M={self.M:g}", "two numbers above 0", "try k=1, M=1")
            )

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        rows = as_rows(t, z)
        return z - self.M * rows, 1 + (self.k - 1) * rows

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        residual, weight = terms
        return (weight * residual.square()).mean(-1)

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        residual, weight = terms
        return weight * residual * (2 / residual.shape[-1])

    def hessian_product(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        _, weight = self.terms(z, t)
        return weight * v * (2 / z.shape[-1])

    def bounds(self, n_out: int) -> tuple[float, float]:
        return 0.0, math.inf
