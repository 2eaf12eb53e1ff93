"""What floats make of a gradient: which entries survive, and what the others were lost to."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from experiments.backprop.admission import (
    Layer,
    layers_of,
    require_input,
    require_loss,
    require_targets,
)
from experiments.backprop.exponents import scaled
from experiments.backprop.recursion import stored_backpropagation
from experiments.backprop.scaling import ScaledPass, scaled_pass, with_rule
from experiments.core.activation import Activation
from experiments.core.loss import Loss
from experiments.models import MLP


@dataclass(frozen=True)
class Survival:
    """Shares of one layer's gradient entries, each () or (R,), float64; they sum to 1.

    Attributes:
        kept: not zero in plain floats, whichever rule computes sigma'.
        rounded_rule: alive under the exact derivative, exactly 0 under torch's own rule, which
            rebuilds sigma' from the rounded output.
        underflow: exactly 0 in plain floats under either rule, although the true value is not; also
            where one sigma' or loss slope is below float64, and ``scaled_backpropagate`` has 0.
        overflow: not finite in plain floats.
        zero: truly 0: behind a dead ReLU or a weight that is 0, or a sum that cancels exactly.
    """

    kept: Float64[Tensor, "*runs"]
    rounded_rule: Float64[Tensor, "*runs"]
    underflow: Float64[Tensor, "*runs"]
    overflow: Float64[Tensor, "*runs"]
    zero: Float64[Tensor, "*runs"]


@dataclass(frozen=True)
class GradientSurvival:
    """Survival of the entries of delta^[l] and of dC/dW^[l]; lists run over l = 2 .. L."""

    deltas: list[Survival]
    weight_gradients: list[Survival]


@torch.no_grad()
def survival(
    net: MLP, x: Shaped[Tensor, "..."], t: Shaped[Tensor, "..."], loss: Loss
) -> GradientSurvival:
    """Compare the network's own floats, under both derivative rules, with the true gradient.

    The true gradient is that of ``scaled_backpropagate``; which of its zeros are underflow is read
    off the factors they are made of. Nothing is said about digits: an entry that is not 0 counts as
    kept even where it is a subnormal number with few of them.

    Args:
        net: one network or a stack of R; its float type is the one that is judged.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).
        t: targets as the loss takes them.
        loss: any loss.

    Raises:
        ValueError: for input or targets that do not fit.

    Example:
        A neuron at z = 20 in float32: torch's sigma' is 0, the exact one 2e-9:

        >>> from experiments.activations import Sigmoid
        >>> from experiments.initializers import Glorot
        >>> from experiments.losses import HalfSquaredError
        >>> net = MLP((1, 1, 1), Sigmoid(), Glorot(), seed=0)
        >>> _ = net.weights[0].data.fill_(20.0)
        >>> found = survival(net, torch.ones(1, 1), torch.zeros(1, 1), HalfSquaredError())
        >>> float(found.deltas[0].rounded_rule), float(found.deltas[1].kept)
        (1.0, 1.0)
    """
    x = require_input(net, x)
    require_loss(loss)
    require_targets(t)
    layers = layers_of(net)
    true = scaled_pass(layers, x, t, loss)
    exact, native = (
        stored_backpropagation(
            [Layer(W, b, with_rule(sigma, rule)) for W, b, sigma in layers], x, t, loss
        )
        for rule in ("exact", "native")
    )
    deltas, weight_gradients = _truly_nonzero(true, layers, t, loss)
    return GradientSurvival(
        deltas=[
            _compared(*three) for three in zip(deltas, exact.deltas, native.deltas, strict=True)
        ],
        weight_gradients=[
            _compared(*three)
            for three in zip(
                weight_gradients, exact.weight_gradients, native.weight_gradients, strict=True
            )
        ],
    )


def _compared(nonzero: Tensor, exact: Tensor, native: Tensor) -> Survival:
    nonzero = nonzero.expand(exact.shape)
    overflow = nonzero & ~(torch.isfinite(exact) & torch.isfinite(native))
    alive = nonzero & ~overflow
    kept = alive & (native != 0)
    rounded = alive & (native == 0) & (exact != 0)
    underflow = alive & (native == 0) & (exact == 0)
    return Survival(*(_share(part) for part in (kept, rounded, underflow, overflow, ~nonzero)))


@dataclass(frozen=True)
class _Factor:
    """Numbers as float64 has them (up to a power of two), and which are not 0 in truth."""

    held: Tensor
    nonzero: Tensor

    @property
    def transposed(self) -> "_Factor":
        return _Factor(self.held.mT, self.nonzero.mT)


def _truly_nonzero(
    true: ScaledPass, layers: list[Layer], t: Tensor, loss: Loss
) -> tuple[list[Tensor], list[Tensor]]:
    """Which entries of delta^[l] and of dC/dW^[l] are not 0 in truth, for l = 2 .. L."""
    lost = [
        _lost_slope(with_rule(layer.activation, "exact"), z.mantissa, derivative)
        for layer, z, derivative in zip(layers, true.z, true.derivatives, strict=True)
    ]
    arrives = (true.slope.mantissa != 0) | _lost_loss_slope(true, t, loss)
    deltas: list[Tensor] = []
    weight_gradients: list[Tensor] = []
    for k in reversed(range(len(layers))):
        nonzero = arrives & ((true.derivatives[k] != 0) | lost[k])
        delta = _Factor(true.deltas[k].mantissa, nonzero)
        a = true.a[k].mantissa
        # where sigma' fell below the floats at a value of 0, sigma did so with it
        a_prev = _Factor(a, (a != 0) | lost[k - 1] if k > 0 else a != 0)
        W = layers[k].W.double()
        deltas.insert(0, nonzero)
        weight_gradients.insert(0, _product_nonzero(delta.transposed, a_prev))
        arrives = _product_nonzero(delta, _Factor(W, W != 0))
    return deltas, weight_gradients


def _product_nonzero(left: _Factor, right: _Factor) -> Tensor:
    """Which entries of left @ right are not 0 in truth; a sum of held terms may cancel exactly."""
    terms = left.nonzero.double() @ right.nonzero.double()
    held = (left.held != 0).double() @ (right.held != 0).double()
    magnitude = left.held.abs() @ right.held.abs()
    cancelled = (held == terms) & (magnitude > 0) & (left.held @ right.held == 0)
    return (terms > 0) & ~cancelled


def _lost_slope(activation: Activation, z: Tensor, derivative: Tensor) -> Tensor:
    """Where sigma'(z) is 0 in float64 alone: not where sigma is constant, as in a dead ReLU.

    Between two kinks sigma is analytic: constant as a whole, or sigma' is not 0 at z. So it is asked
    again near the kink (or 0), at most 1 away from it.
    """
    kinks = z.new_tensor(activation.kinks or (0.0,))
    nearest = kinks[(z.unsqueeze(-1) - kinks).abs().argmin(-1)]
    near = nearest + (z - nearest).clamp(-1.0, 1.0)
    return (derivative == 0) & (activation.derivative(near) != 0)


def _lost_loss_slope(true: ScaledPass, t: Tensor, loss: Loss) -> Tensor:
    """Where the loss's slope is 0 in float64 alone: a saturated link, or an output lost at t = 0."""
    outputs, slope = true.a[-1], true.slope.mantissa
    if loss.link == "identity":
        plain = scaled(outputs.mantissa, outputs.exponent)
        return (slope == 0) & (plain == 0) & (outputs.mantissa != 0)
    size = outputs.mantissa.abs().amax(-1, keepdim=True).clamp(min=1.0)
    t = t.double() if t.is_floating_point() else t
    return (slope == 0) & (loss.delta(outputs.mantissa / size, t) != 0)


def _share(entries: Tensor) -> Tensor:
    return entries.double().mean((-2, -1))
