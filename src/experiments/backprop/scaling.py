r"""Gradients smaller, or larger, than any float: the delta recursion with a carried exponent.

    delta^[l] = D^[l] (W^[l+1])^T delta^[l+1],    delta^[l] = mantissa * 2^exponent

Where a layer's mantissa has left the middle of the floats' range it is brought back by a power of two,
which adds no rounding, and the exponent is counted, one per run. A norm is then reported as its log10.

The arithmetic is float64 and the derivative the exact one, whatever the network's own are: what is
reported is the mathematical size of the gradient. What the network's floats make of it is the other
half of the answer, and ``survival`` gives it.

The forward pass carries an exponent too where it must and can: an activation that is positively
homogeneous at the size reached (a ReLU network that explodes, a tanh network that dies out) passes
powers of two through. Where it is not, a value beyond the floats is infinite, and says so.

Limits, each of them float64's:

* A sigma'(z) below the floats is 0 and the log10 of its layer and all below -inf: beyond \|z\| = 745
  for sigmoid, 372 for tanh. So is a loss slope: cross-entropies, and any sigmoid or softmax link,
  when the answer is right by more than 745. ``survival`` calls such entries underflow, not zero.
* The exponent is one per run, shared by its examples and neurons: what lies more than 2^1000 below
  the largest of its layer may be 0, a bias too, and a neuron or example that is alive on that alone
  is then taken for dead. Examples that far apart belong in separate calls. A weight below 2^-174
  can also take an activation below the floats in one product.
* A forward pass can be chaotic (tanh with sigma_w = 3: rounding has grown to the size of the
  activations between depth 100 and 200). The norms are then right for the network as float64
  computes it, which is no longer the trajectory of exact arithmetic.
"""

from collections.abc import Iterator
from copy import copy
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
from experiments.backprop.exponents import Scaled, normalised, scaled
from experiments.core.activation import Activation, DerivativeRule
from experiments.core.loss import Loss
from experiments.models import MLP

#: forward values keep their true size between 2^-LIMIT and 2^LIMIT
LIMIT = 900
#: mantissas of deltas have norms between 2^-REACH and 2^REACH, or are all 0
REACH = 64
#: sigma' is a normal number for all |z| below this, whatever the activation
EVALUATED = 300.0
#: how closely an activation must follow sigma(2z) = 2 sigma(z) to let an exponent pass
TOLERANCE = 2.0**-40


@dataclass(frozen=True)
class ScaledBackpropagation:
    """log10 of Frobenius norms, lists over the layers with weights; each () or (R,), float64.

    Attributes:
        log10_delta_norms: of dC/dz^[l], over batch and neurons, 1/batch included.
        log10_weight_gradient_norms: of dC/dW^[l].
        log10_bias_gradient_norms: of dC/db^[l].

    A gradient that is exactly 0 has log10 norm -inf, and so has one behind a single sigma' or loss
    slope below float64 (the module's text has the limits; ``survival`` tells the two apart).
    """

    log10_delta_norms: list[Float64[Tensor, "*runs"]]
    log10_weight_gradient_norms: list[Float64[Tensor, "*runs"]]
    log10_bias_gradient_norms: list[Float64[Tensor, "*runs"]]


@dataclass(frozen=True)
class ScaledPass:
    """What the scaled recursion stores; lists over the layers with weights, ``a`` with x in front."""

    a: list[Scaled]
    deltas: list[Scaled]
    z: list[Scaled]
    derivatives: list[Tensor]
    slope: Scaled


def scaled_backpropagate(
    net: MLP, x: Shaped[Tensor, "..."], t: Shaped[Tensor, "..."], loss: Loss
) -> ScaledBackpropagation:
    """log10 of the norms of ``backpropagate``'s gradients, finite where floats are 0 or infinite.

    Args:
        net: one network or a stack of R.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).
        t: targets as the loss takes them.
        loss: any loss.

    Raises:
        ValueError: for input or targets that do not fit.

    Example:
        A thousand sigmoid layers:

        >>> from experiments.activations import Sigmoid
        >>> from experiments.initializers import Glorot
        >>> from experiments.losses import HalfSquaredError
        >>> net = MLP((4, *[8] * 1000, 1), Sigmoid(), Glorot(), seed=0)
        >>> found = scaled_backpropagate(net, torch.ones(3, 4), torch.zeros(3, 1), HalfSquaredError())
        >>> -700 < found.log10_delta_norms[0] < -500
        tensor(True)
    """
    x = require_input(net, x)
    require_loss(loss)
    require_targets(t)
    return scaled_norms(layers_of(net), x, t, loss)


@torch.no_grad()
def scaled_norms(layers: list[Layer], x: Tensor, t: Tensor, loss: Loss) -> ScaledBackpropagation:
    """The same on layers and input that are known to fit.

    Of every layer only a and sigma' are kept on the way down: memory that is new costs more than the
    products.
    """
    layers = _exact(layers)
    a, derivatives = [_input(layers, x)], []
    for _, above, derivative in _upward(layers, a[0]):
        a.append(above)
        derivatives.append(derivative)
    slope = _slope(loss, a[-1], t)
    found = ScaledBackpropagation([], [], [])
    for delta, a_prev in zip(_downward(layers, derivatives, slope), a[-2::-1], strict=True):
        gradient = delta.mantissa.mT @ a_prev.mantissa
        bias_gradient = delta.mantissa.sum(-2, keepdim=True)
        exponent = delta.exponent + a_prev.exponent
        found.log10_delta_norms.insert(0, delta.log10_norm)
        found.log10_weight_gradient_norms.insert(0, Scaled(gradient, exponent).log10_norm)
        found.log10_bias_gradient_norms.insert(0, Scaled(bias_gradient, delta.exponent).log10_norm)
    return found


@torch.no_grad()
def scaled_pass(layers: list[Layer], x: Tensor, t: Tensor, loss: Loss) -> ScaledPass:
    """The recursion with everything it comes by."""
    layers = _exact(layers)
    start = _input(layers, x)
    z, a, derivatives = (list(part) for part in zip(*_upward(layers, start), strict=True))
    slope = _slope(loss, a[-1], t)
    deltas = list(_downward(layers, derivatives, slope))
    return ScaledPass([start, *a], deltas[::-1], z, derivatives, slope)


def _exact(layers: list[Layer]) -> list[Layer]:
    return [Layer(W.double(), b.double(), with_rule(sigma, "exact")) for W, b, sigma in layers]


def _input(layers: list[Layer], x: Tensor) -> Scaled:
    runs = layers[0].b.shape[:-1]
    x = x.double().expand(*runs, *x.shape[-2:])
    return Scaled(x, x.new_zeros((*runs, 1, 1)))


def _upward(layers: list[Layer], a: Scaled) -> Iterator[tuple[Scaled, Scaled, Tensor]]:
    """z, a and sigma'(z) of every layer, first to last."""
    for layer in layers:
        z = _passing(layer.activation, _affine(layer, a))
        above, derivative = _evaluated(layer, z.mantissa)
        a = Scaled(above, z.exponent)
        yield z, a, derivative


def _downward(layers: list[Layer], derivatives: list[Tensor], slope: Scaled) -> Iterator[Scaled]:
    """delta of every layer, last to first."""
    batch = slope.mantissa.shape[-2]
    delta = _near(slope.mantissa / batch * derivatives[-1], slope.exponent)
    yield delta
    for layer, derivative in zip(layers[:0:-1], derivatives[-2::-1], strict=True):
        delta = _near((delta.mantissa @ layer.W) * derivative, delta.exponent)
        yield delta


def _evaluated(layer: Layer, z: Tensor) -> tuple[Tensor, Tensor]:
    """sigma(z) and sigma'(z); together, which is quicker, where none of them can be subnormal."""
    if bool(z.abs().max() < EVALUATED):
        return layer.evaluate(z)
    return layer.activation.value(z), layer.derivative(z)


def with_rule(activation: Activation, rule: DerivativeRule) -> Activation:
    """The same function with the other rule for its derivative."""
    twin = copy(activation)
    twin.rule = rule
    return twin


def _affine(layer: Layer, a_prev: Scaled) -> Scaled:
    """W a + b, at the exponent of W a; at 0 where b drowns a value too small, or W a is all 0."""
    if not bool(a_prev.exponent.any()):
        return Scaled(layer.affine(a_prev.mantissa), a_prev.exponent)
    product = a_prev.mantissa @ layer.W.mT
    b = layer.b.unsqueeze(-2)
    drowned = (a_prev.exponent < 0) & (b != 0).any(-1, keepdim=True)
    # a layer that died keeps no size: its exponent would only drown b
    exponent = torch.where(drowned | _all_zero(product), 0.0, a_prev.exponent)
    return Scaled(scaled(product, a_prev.exponent - exponent) + scaled(b, -exponent), exponent)


def _passing(activation: Activation, z: Scaled) -> Scaled:
    """z at its true size, or within 2^-LIMIT .. 2^LIMIT of it where sigma lets powers of two pass."""
    if z.lies_within(-LIMIT, LIMIT) and not bool(z.exponent.any()):
        return z
    largest = z.mantissa.abs().amax((-2, -1), keepdim=True)
    _, size = torch.frexp(largest)
    size = torch.where(torch.isfinite(largest) & (largest > 0), size + z.exponent, 0.0)
    excess = size - size.clamp(-LIMIT, LIMIT)
    candidate = scaled(z.mantissa, z.exponent - excess)
    exponent = torch.where(_homogeneous(activation, candidate), excess, 0.0)
    return Scaled(scaled(candidate, excess - exponent), exponent)


def _homogeneous(activation: Activation, z: Tensor) -> Tensor:
    """Whether sigma(2z) = 2 sigma(z) and sigma'(2z) = sigma'(z), for every run."""
    return _close(activation.value(2 * z), 2 * activation.value(z)) & _close(
        activation.derivative(2 * z), activation.derivative(z)
    )


def _close(found: Tensor, expected: Tensor) -> Tensor:
    distance = (found - expected).abs().amax((-2, -1), keepdim=True)
    return distance <= TOLERANCE * expected.abs().amax((-2, -1), keepdim=True)


def _slope(loss: Loss, outputs: Scaled, t: Tensor) -> Scaled:
    """delta^[L] at the output, for outputs that may be beyond the floats or below them.

    There a loss either grows in proportion to the outputs (squared error; below, with targets 0)
    or has reached its limit (a saturated link; the sign of an absolute error). Which of the two is
    asked of the loss itself, at the size held; below, only for the entries that output 0 suits.
    """
    t = t.double() if t.is_floating_point() else t
    plain = scaled(outputs.mantissa, outputs.exponent)
    slope = loss.delta(plain, t)
    beyond = ~torch.isfinite(plain).all(-1, keepdim=True).all(-2, keepdim=True)
    below = outputs.exponent < 0
    if not bool((beyond | below).any()):
        return Scaled(slope, torch.zeros_like(outputs.exponent))
    asked = beyond | below & (loss.delta(torch.zeros_like(plain), t) == 0)
    held = torch.where(asked, loss.delta(outputs.mantissa, t), 0.0)
    half = torch.where(asked, loss.delta(outputs.mantissa / 2, t), 0.0)
    settled = _close(held, half)
    # an exponent is carried only if it is right for every entry that is not 0
    whole = _all_zero(torch.where(asked, 0.0, slope))
    grows = whole & ~settled & _close(held, 2 * half)
    return Scaled(
        torch.where(asked & (grows | settled), held, slope),
        torch.where(grows, outputs.exponent, 0.0),
    )


def _all_zero(values: Tensor) -> Tensor:
    return (values == 0).all(-1, keepdim=True).all(-2, keepdim=True)


def _near(values: Tensor, exponent: Tensor) -> Scaled:
    """The same numbers, with a mantissa that is neither small nor large."""
    found = Scaled(values, exponent)
    if found.lies_within(-REACH, REACH):
        return found
    mantissa, shift = normalised(values, dims=2)
    return Scaled(mantissa, exponent + shift)
