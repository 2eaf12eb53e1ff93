r"""Gradients smaller, or larger, than any float: the delta recursion with a carried exponent.

    delta^[l] = D^[l] (W^[l+1])^T delta^[l+1],    delta^[l] = mantissa * 2^exponent

After every layer the mantissa is brought back to [1/2, 1) by a power of two, which adds no rounding,
and the exponent is counted, one per run. A norm is then reported as its log10.

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
* The exponent is one per run, shared by its examples and neurons: what lies more than 2^1074 below
  the largest of its layer may be 0, a bias too, and a neuron or example that is alive on that alone
  is then taken for dead. Examples that far apart belong in separate calls. A weight below 2^-174
  can also take an activation below the floats in one product.
* A forward pass can be chaotic (tanh with sigma_w = 3: rounding has grown to the size of the
  activations between depth 100 and 200). The norms are then right for the network as float64
  computes it, which is no longer the trajectory of exact arithmetic.
"""

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
from experiments.backprop.exponents import log10_norm, normalised, scaled
from experiments.core.activation import Activation, DerivativeRule
from experiments.core.loss import Loss
from experiments.models import MLP

#: forward values keep their true size between 2^-LIMIT and 2^LIMIT
LIMIT = 900
#: how closely an activation must follow sigma(2z) = 2 sigma(z) to let an exponent pass
TOLERANCE = 2.0**-40


@dataclass(frozen=True)
class Scaled:
    """mantissa * 2^exponent: (*runs, batch, n) and (*runs, 1, 1), float64."""

    mantissa: Tensor
    exponent: Tensor


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

    def weight_gradient(self, k: int) -> Scaled:
        """dC/dW of list entry k."""
        delta, a_prev = self.deltas[k], self.a[k]
        product = delta.mantissa.mT @ a_prev.mantissa
        return Scaled(product, delta.exponent + a_prev.exponent)


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


def scaled_norms(layers: list[Layer], x: Tensor, t: Tensor, loss: Loss) -> ScaledBackpropagation:
    """The same on layers and input that are known to fit."""
    passed = scaled_pass(layers, x, t, loss)
    gradients = [passed.weight_gradient(k) for k in range(len(passed.deltas))]
    return ScaledBackpropagation(
        log10_delta_norms=[_log10(delta) for delta in passed.deltas],
        log10_weight_gradient_norms=[_log10(gradient) for gradient in gradients],
        log10_bias_gradient_norms=[
            _log10(Scaled(delta.mantissa.sum(-2, keepdim=True), delta.exponent))
            for delta in passed.deltas
        ],
    )


@torch.no_grad()
def scaled_pass(layers: list[Layer], x: Tensor, t: Tensor, loss: Loss) -> ScaledPass:
    """The recursion itself."""
    layers = [Layer(W.double(), b.double(), with_rule(sigma, "exact")) for W, b, sigma in layers]
    shape = layers[0].b.shape[:-1]
    x = x.double().expand(*shape, *x.shape[-2:])
    a = [Scaled(x, x.new_zeros((*shape, 1, 1)))]
    zs, derivatives = [], []
    for layer in layers:
        z = _passing(layer.activation, _affine(layer, a[-1]))
        zs.append(z)
        a.append(Scaled(layer.activation.value(z.mantissa), z.exponent))
        derivatives.append(layer.derivative(z.mantissa))
    slope = _slope(loss, a[-1], t.double() if t.is_floating_point() else t)
    delta = _normalised(slope.mantissa / x.shape[-2] * derivatives[-1], slope.exponent)
    deltas = [delta]
    for layer, derivative in zip(layers[:0:-1], derivatives[-2::-1], strict=True):
        delta = _normalised((delta.mantissa @ layer.W) * derivative, delta.exponent)
        deltas.append(delta)
    return ScaledPass(a, deltas[::-1], zs, derivatives, slope)


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
    largest = z.mantissa.abs().amax((-2, -1), keepdim=True)
    usual = (largest == 0) | (largest > 2.0**-LIMIT) & (largest < 2.0**LIMIT)
    if bool((usual & (z.exponent == 0)).all()):
        return z
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


def _normalised(values: Tensor, exponent: Tensor) -> Scaled:
    mantissa, shift = normalised(values, dims=2)
    return Scaled(mantissa, exponent + shift)


def _log10(value: Scaled) -> Tensor:
    return log10_norm(value.mantissa, value.exponent)
