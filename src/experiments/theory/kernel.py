r"""The tangent kernel at initialisation, and the learning rates at which gradient descent is stable.

    Theta(x, x') = sum_l s^[l] r_delta^[l] (n_{l-1} m^[l-1] r_a^[l-1] + 1)
    s^[l] = E ||dz_k^[L] / dz^[l]||^2,  s^[L] = 1,  s^[l] = n_l Var W^[l+1] E[phi'^2] s^[l+1]

is the inner product of the parameter gradients of one output at two examples. The largest curvature of
the mean cost over B examples is about

    lambda = h * (largest eigenvalue of Theta / B),     mean Theta <= that eigenvalue <= Theta(x, x)

with h the curvature of the loss in the outputs. Gradient descent is unstable above 2 / lambda.

References:
    Jacot, Gabriel & Hongler (2018); Karakida, Akaho & Amari (2019) for 2 / lambda in the mean field;
    Lee et al. (2019) for wide networks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from experiments.core.initializer import Initializer
from experiments.core.loss import Loss
from experiments.theory.batch import BatchMoments
from experiments.theory.propagation import (
    follow,
    from_the_top,
    log,
    pairs_downwards,
    per_hidden_layer,
)
from experiments.theory.quadrature import ValueAndDerivative

#: Number of outputs over which the curvature of the loss is averaged.
SAMPLES = 256


@dataclass(frozen=True)
class TangentKernel:
    """Averages over a batch, for one output.

    Attributes:
        diagonal: mean of Theta(x, x).
        off_diagonal: mean of Theta(x, x') over pairs of different examples.
        output_variance: variance of z_k^[L] over draws.
    """

    diagonal: float
    off_diagonal: float
    output_variance: float


def tangent_kernel(
    widths: Sequence[int],
    activation: ValueAndDerivative | Sequence[ValueAndDerivative],
    initializer: Initializer,
    batch: BatchMoments,
) -> TangentKernel:
    """Predict Theta(x, x) and the mean of Theta(x, x') for a freshly drawn network, per output.

    Example:
        A linear model on inputs of 4 entries and mean square 1: |x|^2 + 1.

        >>> from experiments.activations import Identity
        >>> from experiments.initializers import LeCun
        >>> tangent_kernel((4, 3), Identity(), LeCun(), BatchMoments(1.0, 1.0)).diagonal
        5.0
    """
    hidden = per_hidden_layer(activation, len(widths) - 2)
    fans = list(zip(widths[1:], widths[:-1], strict=True))
    layers = follow(hidden, fans, initializer, batch)
    gains = [
        n * initializer.weight_variance(above, n) * layer.slope
        for (above, n), layer in zip(fans[1:], layers, strict=False)
    ]
    sizes = from_the_top([*map(log, gains), 0.0])
    diagonal = off_diagonal = 0.0
    one = torch.ones_like(batch.shares)
    for log_s, n_prev, layer, angle in zip(
        sizes, widths, layers, pairs_downwards(layers, one), strict=False
    ):
        length = math.exp(min(log_s + log(n_prev) + layer.log_moment_before, 700.0))
        bias = math.exp(min(log_s, 700.0))
        diagonal += length + bias
        off_diagonal += float((angle * (length * layer.before + bias)) @ batch.shares)
    return TangentKernel(diagonal, off_diagonal, math.exp(min(layers[-1].log_q, 700.0)))


@dataclass(frozen=True)
class LearningRates:
    """Learning rates at which plain gradient descent becomes unstable at initialisation.

    Attributes:
        safe: below this, no direction is unstable, whatever the data.
        limit: above this, the steepest direction that is common to all examples is unstable.
    """

    safe: float
    limit: float


def stable_learning_rates(
    kernel: TangentKernel, loss: Loss, t: Shaped[Tensor, "examples *n_out"], n_out: int
) -> LearningRates:
    """2 / lambda for the two bounds on lambda.

    The curvature h of the loss is evaluated at normal outputs of the predicted variance, drawn from a
    generator of their own. Its upper bound is the mean of the largest eigenvalues of all examples, its
    lower bound the largest eigenvalue of the mean Hessian.

    Args:
        kernel: from ``tangent_kernel`` for the same data and network.
        loss: any loss, with its own normaliser.
        t: targets; the first few hundred are used.
        n_out: n_L.
    """
    t = t[:SAMPLES]
    outputs = torch.randn(
        len(t), n_out, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    t = t.double() if t.is_floating_point() else t
    hessians = loss.hessian(math.sqrt(kernel.output_variance) * outputs, t)
    steepest = float(torch.linalg.eigvalsh(hessians)[:, -1].mean())
    shared = float(torch.linalg.eigvalsh(hessians.mean(0))[-1])
    return LearningRates(
        safe=_rate(steepest * kernel.diagonal), limit=_rate(shared * max(kernel.off_diagonal, 0.0))
    )


def _rate(curvature: float) -> float:
    return 2 / curvature if curvature > 0 else math.inf
