"""Which entries of a gradient survive in floats, and why the others are lost."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from experiments.backprop.checks import (
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
    """Shares of the gradient entries of one layer, each () or (R,), float64; they sum to 1.

    Attributes:
        kept: not zero in plain floats, with either rule for sigma'.
        rounded_rule: not zero with the exact derivative, exactly 0 with torch's own rule, which computes
            sigma' from the rounded output.
        underflow: exactly 0 in plain floats with either rule, although the true value is not; also
            where a sigma' or loss slope underflows in float64, so that ``scaled_backpropagate`` gives 0.
        overflow: not finite in plain floats.
        zero: mathematically 0: behind a dead ReLU or a zero weight, or a sum that cancels exactly.
    """

    kept: Float64[Tensor, "*runs"]
    rounded_rule: Float64[Tensor, "*runs"]
    underflow: Float64[Tensor, "*runs"]
    overflow: Float64[Tensor, "*runs"]
    zero: Float64[Tensor, "*runs"]


@dataclass(frozen=True)
class GradientSurvival:
    """Survival of the entries of delta^[l] and of dC/dW^[l]; lists over l = 2 .. L."""

    deltas: list[Survival]
    weight_gradients: list[Survival]


@torch.no_grad()
def survival(
    net: MLP, x: Shaped[Tensor, "..."], t: Shaped[Tensor, "..."], loss: Loss
) -> GradientSurvival:
    """Compare the gradient in the network's floats, under both derivative rules, with the true one.

    The true gradient is that of ``scaled_backpropagate``; its factors show which of its zeros are due to
    underflow. Precision is not considered: an entry that is not 0 counts as kept, even if it is a
    subnormal number with few digits.

    Args:
        net: one network or a stack of R; the comparison is for its float type.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).
        t: targets in the form that the loss accepts.
        loss: any loss.

    Raises:
        ValueError: for input or targets that do not fit.

    Example:
        A neuron at z = 20 in float32, where torch's sigma' is 0 and the exact one 2e-9:

        >>> from experiments.activations import Sigmoid
        >>> from experiments.initializers import Glorot
        >>> from experiments.losses import HalfSquaredError
        >>> net = MLP((1, 1, 1), Sigmoid(), Glorot(), seed=0)
        >>> _ = net.weights[0].data.fill_(20.0)
        >>> result = survival(net, torch.ones(1, 1), torch.zeros(1, 1), HalfSquaredError())
        >>> float(result.deltas[0].rounded_rule), float(result.deltas[1].kept)
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
        deltas=list(map(_compared, deltas, exact.deltas, native.deltas)),
        weight_gradients=list(
            map(_compared, weight_gradients, exact.weight_gradients, native.weight_gradients)
        ),
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
    """A matrix in float64 (up to a power of two), and which of its entries are mathematically nonzero."""

    computed: Tensor
    nonzero: Tensor

    @property
    def transposed(self) -> "_Factor":
        return _Factor(self.computed.mT, self.nonzero.mT)


def _truly_nonzero(
    true: ScaledPass, layers: list[Layer], t: Tensor, loss: Loss
) -> tuple[list[Tensor], list[Tensor]]:
    """Which entries of delta^[l] and of dC/dW^[l] are mathematically nonzero, for l = 2 .. L."""
    underflowed = [
        _underflowed_derivative(with_rule(layer.activation, "exact"), z.mantissa, derivative)
        for layer, z, derivative in zip(layers, true.z, true.derivatives, strict=True)
    ]
    grad_a_nonzero = (true.slope.mantissa != 0) | _underflowed_loss_slope(true, t, loss)
    deltas: list[Tensor] = []
    weight_gradients: list[Tensor] = []
    for k in reversed(range(len(layers))):
        nonzero = grad_a_nonzero & ((true.derivatives[k] != 0) | underflowed[k])
        delta = _Factor(true.deltas[k].mantissa, nonzero)
        a = true.a[k].mantissa
        # where sigma' underflowed and sigma is 0, sigma underflowed, too
        a_prev = _Factor(a, (a != 0) | underflowed[k - 1] if k > 0 else a != 0)
        W = layers[k].W.double()
        deltas.insert(0, nonzero)
        weight_gradients.insert(0, _product_nonzero(delta.transposed, a_prev))
        grad_a_nonzero = _product_nonzero(delta, _Factor(W, W != 0))
    return deltas, weight_gradients


def _product_nonzero(left: _Factor, right: _Factor) -> Tensor:
    """Which entries of left @ right are mathematically nonzero; a sum of nonzero terms may cancel."""
    terms = left.nonzero.double() @ right.nonzero.double()
    computed_terms = (left.computed != 0).double() @ (right.computed != 0).double()
    magnitude = left.computed.abs() @ right.computed.abs()
    product = left.computed @ right.computed
    cancelled = (computed_terms == terms) & (magnitude > 0) & (product == 0)
    return (terms > 0) & ~cancelled


def _underflowed_derivative(activation: Activation, z: Tensor, derivative: Tensor) -> Tensor:
    """Where sigma'(z) is 0 only because of underflow, and not because sigma is constant (a dead ReLU).

    Between two kinks sigma is analytic: it is constant there, or its sigma' is not identically 0. So
    sigma' is evaluated again at most 1 away from the nearest kink (or from 0).
    """
    kinks = z.new_tensor(activation.kinks or (0.0,))
    nearest = kinks[(z.unsqueeze(-1) - kinks).abs().argmin(-1)]
    near = nearest + (z - nearest).clamp(-1.0, 1.0)
    return (derivative == 0) & (activation.derivative(near) != 0)


def _underflowed_loss_slope(true: ScaledPass, t: Tensor, loss: Loss) -> Tensor:
    """Where the slope of the loss is 0 only by underflow: a saturated link, or a tiny output at t = 0."""
    outputs, slope = true.a[-1], true.slope.mantissa
    if loss.link == "identity":
        plain = scaled(outputs.mantissa, outputs.exponent)
        return (slope == 0) & (plain == 0) & (outputs.mantissa != 0)
    size = outputs.mantissa.abs().amax(-1, keepdim=True).clamp(min=1.0)
    t = t.double() if t.is_floating_point() else t
    return (slope == 0) & (loss.delta(outputs.mantissa / size, t) != 0)


def _share(entries: Tensor) -> Tensor:
    return entries.double().mean((-2, -1))
