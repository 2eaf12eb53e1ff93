r"""Advice for one network: an initializer, a trainable depth, and stable learning rates.

    start             chi = 1 at the critical (sigma_w, sigma_b)             mean_field
    trainable depth   6 xi_c layers                                          Schoenholz et al. (2017)
    its range         all sigma_w with 6 xi_c >= depth at the same sigma_b
    scatter           beta = variance over draws of ln of the squared        finite_width.gradient_scatter
                      gradient, about in proportion to depth / width
    learning rate     2 / lambda of the tangent kernel (SGD)                 Karakida et al. (2019)
                      0.001 to 0.01 times the RMS of a weight (Adam)         update-to-weight rule

Everything holds at initialisation. On the critical line xi_c is infinite, and mean field sets no limit on
the depth, but the width does: at beta = 1 the gradient norms of two draws differ by a factor of about 2
(e^sqrt(beta / 2) in root mean square).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from experiments.core.errors import ConfigurationError
from experiments.core.initializer import Initializer
from experiments.core.loss import Loss
from experiments.core.whole import whole
from experiments.initializers import Glorot, He, LeCun, Orthogonal, TorchDefault
from experiments.theory.batch import BatchMoments
from experiments.theory.critical_start import TRAINABLE, StartingPoint, critical, starting_points
from experiments.theory.criticality import NoCriticalPointError
from experiments.theory.finite_width import (
    fluctuation_rate,
    gradient_scatter,
    optimal_aspect_ratio,
)
from experiments.theory.kernel import LearningRates, stable_learning_rates, tangent_kernel
from experiments.theory.mean_field import phase_diagram
from experiments.theory.quadrature import ValueAndDerivative

#: Range of the recommended step of Adam, relative to the RMS of a weight.
ADAM_SHARES = (1e-3, 1e-2)
#: Above this, a critical sigma_w is of no practical use: units saturate, and gradients vary too much.
PRACTICAL_SIGMA_W = 4.0
#: The range of sigma_w is searched with a factor RANGE_STEP per step, in at most RANGE_PIECES blocks of
#: RANGE_PIECE steps; the last step is then divided into RANGE_PIECE finer ones.
RANGE_STEP, RANGE_PIECE, RANGE_PIECES = 1.12, 8, 4
COMMON: dict[str, Initializer] = {
    "glorot": Glorot(),
    "he": He(),
    "lecun": LeCun(),
    "orthogonal": Orthogonal(),
    "torch_default": TorchDefault(),
}
#: Number of examples from which the moments of the inputs are measured.
EXAMPLES = 128


@dataclass(frozen=True)
class Advice:
    """A recommended start, and what to expect from it; all numbers are for initialisation.

    Attributes:
        initializer: the recommended initializer.
        start: its position on the phase diagram.
        critical: whether chi = 1 there.
        sigma_w_range: the sigma_w with 6 xi_c >= depth at the same sigma_b; None if there are none.
        beta: variance over draws of ln of the squared gradient at the first layer, to leading order in
            1 / width, for an example with the mean square of the data.
        fluctuation_depth: depth at which beta = 1, interpolated linearly between layers.
        optimal_depth: r* times the width (Roberts, Yaida & Hanin); None if nu is unknown.
        sgd: bounds on the learning rate of plain gradient descent.
        adam: range of learning rates for Adam.
        common: the positions of common initializers with this activation.
        notes: further remarks, one sentence each.
    """

    initializer: Initializer
    start: StartingPoint
    critical: bool
    sigma_w_range: tuple[float, float] | None
    beta: float
    fluctuation_depth: float
    optimal_depth: float | None
    sgd: LearningRates
    adam: tuple[float, float]
    common: tuple[StartingPoint, ...]
    notes: tuple[str, ...]

    @property
    def factor(self) -> float:
        """Factor on the gradient norm per layer."""
        return self.start.factor

    @property
    def depth_scale(self) -> float:
        """xi_c, in layers."""
        return self.start.point.xi_c

    @property
    def trainable_depth(self) -> float:
        """6 xi_c; infinite on the critical line."""
        return self.start.trainable_depth


def advise(
    activation: ValueAndDerivative,
    depth: int,
    width: int,
    loss: Loss,
    x: Float[Tensor, "examples n_in"],
    t: Shaped[Tensor, "examples *n_targets"],
    n_out: int,
) -> Advice:
    """Recommend a start for ``depth`` hidden layers of ``width`` neurons on this data.

    Args:
        activation: of the hidden layers.
        depth: number of hidden layers, >= 0.
        width: width of each hidden layer.
        loss: its curvature determines the learning rate.
        x: inputs; about the first hundred are used.
        t: targets.
        n_out: n_L.

    Raises:
        ConfigurationError: for a negative depth, a width below 1, or inputs that are all 0.

    Example:
        >>> from experiments.activations import ReLU
        >>> from experiments.losses import CrossEntropy
        >>> x, t = torch.eye(8), torch.arange(8) % 2
        >>> advice = advise(ReLU(), 10, 100, CrossEntropy(), x, t, n_out=2)
        >>> advice.initializer
        Gaussian(sigma_w=1.4142..., sigma_b=0.0)
        >>> advice.factor, advice.trainable_depth, round(advice.beta, 9)
        (1.0, inf, 0.5)
    """
    depth, width = whole("depth", depth, 0), whole("width", width, 1)
    common = tuple(starting_points({"": activation}, COMMON, width))
    initializer, is_critical = _recommended(activation, common)
    start = starting_points({"": activation}, {"recommended": initializer}, width)[0]
    batch = BatchMoments.of(x[:EXAMPLES], torch.ones(len(x[:EXAMPLES]), n_out))
    beta, fluctuation_depth = _scatter(activation, start, depth, width, batch.inputs)
    widths = (x.shape[-1], *[width] * depth, n_out)
    kernel = tangent_kernel(widths, activation, initializer, batch)
    size = start.sigma_w / math.sqrt(width)
    advice = Advice(
        initializer=initializer,
        start=start,
        critical=is_critical,
        sigma_w_range=sigma_w_range(activation, start, depth),
        beta=beta,
        fluctuation_depth=fluctuation_depth,
        optimal_depth=_optimal_depth(activation, width, n_out),
        sgd=stable_learning_rates(kernel, loss, t, n_out),
        adam=(ADAM_SHARES[0] * size, ADAM_SHARES[1] * size),
        common=common,
        notes=(),
    )
    return replace(advice, notes=tuple(_notes(advice, depth, width)))


def sigma_w_range(
    activation: ValueAndDerivative, start: StartingPoint, depth: int
) -> tuple[float, float] | None:
    """The interval of sigma_w around a start in which 6 xi_c >= depth, at the same sigma_b.

    Where the length diverges, xi_gradient is used instead of xi_c. The ends are accurate to about one
    per cent, and searched up to a factor of 38 from the start.
    """
    if start.trainable_depth < depth:
        return None
    ends = list[float]()
    for step in (1 / RANGE_STEP, RANGE_STEP):
        coarse = _last_within(activation, start, depth, start.sigma_w, step)
        ends.append(_last_within(activation, start, depth, coarse, step ** (1 / RANGE_PIECE)))
    return ends[0], ends[1]


def _last_within(
    activation: ValueAndDerivative, start: StartingPoint, depth: int, sigma_w: float, step: float
) -> float:
    """The last of sigma_w, sigma_w step, sigma_w step^2, ... before 6 xi_c falls below the depth."""
    for first in range(0, RANGE_PIECE * RANGE_PIECES, RANGE_PIECE):
        grid = [sigma_w * step**k for k in range(first, first + RANGE_PIECE + 1)]
        diagram = phase_diagram(activation, grid, [start.sigma_b])
        scale = torch.where(diagram.diverges, diagram.xi_gradient.abs(), diagram.xi_c)[0]
        short = (scale * TRAINABLE < depth).nonzero()
        if len(short):
            return grid[max(int(short[0]) - 1, 0)]
    return grid[-1]


def _recommended(
    activation: ValueAndDerivative, common: tuple[StartingPoint, ...]
) -> tuple[Initializer, bool]:
    """The critical initializer; if there is none, the common one whose chi is closest to 1."""
    try:
        return critical(activation), True
    except NoCriticalPointError:
        candidates = [row for row in common if not row.point.diverges] or list(common)
        best = min(candidates, key=lambda row: abs(math.log(max(row.point.chi, 1e-300))))
        return COMMON[best.initializer], False


def _scatter(
    activation: ValueAndDerivative, start: StartingPoint, depth: int, width: int, inputs: float
) -> tuple[float, float]:
    """beta at a depth, and the depth at which it is 1.

    The weights of each layer add at least 2 / width to beta. Correlations with the lengths can reduce
    this; if beta is still below 1 after width / 2 layers, it is extrapolated with the last increment.
    """
    layers = max(depth, math.ceil(width / 2) + 1)
    each = gradient_scatter(activation, start.sigma_w, start.sigma_b, layers, inputs)
    betas = [0.0, *(v / width for v in each)]
    above = next((k for k, beta in enumerate(betas) if beta >= 1), layers)
    below = betas[above - 1]
    increment = betas[above] - below
    return betas[depth], above - 1 + (1 - below) / increment if increment > 0 else math.inf


def _optimal_depth(activation: ValueAndDerivative, width: int, n_out: int) -> float | None:
    try:
        return width * optimal_aspect_ratio(n_out, fluctuation_rate(activation))
    except ConfigurationError:
        return None


def _notes(advice: Advice, depth: int, width: int) -> Iterator[str]:
    start = advice.start
    if not advice.critical:
        yield (
            "This activation has no critical point; of the common initializers, this one changes the "
            f"gradient least, by a factor of {start.factor:.3g} per layer."
        )
    elif start.sigma_w > PRACTICAL_SIGMA_W:
        yield (
            f"The critical point needs weights {start.sigma_w:.3g} times the usual 1/sqrt(n): units "
            "saturate, and draws differ widely. Another activation is the better choice."
        )
    if advice.trainable_depth < depth:
        yield (
            f"Mean field calls {advice.trainable_depth:.3g} layers trainable; {depth} layers are too many "
            "for this activation without skip connections or normalisation."
        )
    if advice.beta > 1:
        enough = math.ceil(round(width * advice.beta, 6))
        yield (
            f"At width {width} the gradient norms of two draws differ by a factor of about "
            f"{math.exp(math.sqrt(advice.beta / 2)):.2g}: use {enough} neurons per layer, or fewer layers."
        )
