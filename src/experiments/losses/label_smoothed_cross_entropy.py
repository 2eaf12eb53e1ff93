r"""Label-smoothed cross-entropy: cross-entropy against targets that are never fully certain.

::

    t'      = (1 - s) t + s / n_L                    s = smoothing
    C_d     = -sum_j t'_j log a_j                    a = softmax(z)
    delta   = a - t' = (1 - s) (a - t) + s (a - 1 / n_L)
    H v     = a (v - <a, v>)                         convex

delta is 0 at a finite output, a = t', where the logit of the right class exceeds the others by
log(1 + n_L (1 - s) / s). So the logits do not grow without bound, as they do with cross-entropy.

Range: for a class, from the entropy of t' to inf.   Normaliser: none, one number per example (nats).
Targets: classes, or rows that sum to one (soft targets).

References:
    Szegedy et al. (2016), section 7; torch.nn.functional.cross_entropy(label_smoothing=s).
"""

import math
from typing import ClassVar, final

from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.finite import finite
from experiments.core.link import SoftmaxOutput
from experiments.core.loss import Loss
from experiments.core.target import TargetKind, as_rows

Terms = tuple[SoftmaxOutput, Tensor]


@final
class LabelSmoothedCrossEntropy(Loss):
    """C_d = -sum_j t'_j log softmax(z)_j, t' = (1 - s) t + s / n_L.

    Args:
        smoothing: the share s of the target that is spread over all classes, in [0, 1).
        link: ``"softmax"``, the only one.

    Raises:
        ConfigurationError: for a smoothing outside [0, 1), or another link.

    Example:
        >>> import torch
        >>> LabelSmoothedCrossEntropy(0.2).delta(torch.zeros(1, 2), torch.tensor([0]))
        tensor([[-0.4000,  0.4000]])
    """

    links: ClassVar[tuple[str, ...]] = ("softmax",)
    target_kind: TargetKind = "distribution"

    def __init__(self, smoothing: float | int = 0.1, link: str = "softmax") -> None:
        super().__init__(link)
        self.smoothing = finite("smoothing", smoothing, low=0.0, below=1.0)

    def terms(self, z: Float[Tensor, "*runs batch n_out"], t: Shaped[Tensor, "..."]) -> Terms:
        return SoftmaxOutput(z), t

    def cost(self, terms: Terms) -> Float[Tensor, "*runs batch"]:
        (output, t), s = terms, self.smoothing
        smoothed = (1 - s) * as_rows(t, output.a) + s / output.a.shape[-1]
        return (smoothed * output.surprisals()).sum(-1)

    def slope(self, terms: Terms) -> Float[Tensor, "*runs batch n_out"]:
        # from t, not t': 1 - t'_y would lose digits of a small s
        (output, t), s = terms, self.smoothing
        return (1 - s) * output.residual(t) + s * (output.a - 1 / output.a.shape[-1])

    def hessian_product(
        self,
        z: Float[Tensor, "*runs batch n_out"],
        t: Shaped[Tensor, "..."],
        v: Float[Tensor, "*runs batch n_out"],
    ) -> Float[Tensor, "*runs batch n_out"]:
        return SoftmaxOutput(z).jacobian_product(v)

    def bounds(self, n_out: int) -> tuple[float, float]:
        rest = self.smoothing / n_out
        right = 1 - self.smoothing + rest
        entropy = -right * math.log(right)
        return entropy - (n_out - 1) * rest * math.log(rest) if rest else entropy, math.inf
