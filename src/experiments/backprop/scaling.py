r"""Gradients smaller or larger than any float: the delta recursion with an explicit exponent.

    delta^[l] = D^[l] (W^[l+1])^T delta^[l+1],    delta^[l] = mantissa * 2^exponent

When the mantissa of a layer becomes very small or very large, it is rescaled by a power of two, which
adds no rounding, and the exponent is updated, one per run. Norms are reported as log10.

The arithmetic is float64 and the derivative the exact one, whatever type and rule the network uses: the
result is the mathematical size of the gradient. What the network's own floats make of it is computed by
``survival``.

The forward pass has an exponent, too, where it needs one and the activation allows it: an activation that
is positively homogeneous at the size that was reached (a ReLU network that explodes, a tanh network whose
signal dies out) passes powers of two through. Otherwise, a value beyond the range of floats is infinite.

Limits, all of them due to float64:

* A sigma'(z) that underflows is 0, and the log10 of its layer and of all layers below is -inf. This
  happens beyond \|z\| = 745 for sigmoid and 372 for tanh. The slope of a loss behind a sigmoid or softmax
  can underflow, too, where z is right or wrong by a large margin. With M = 709 for a sigmoid, whose
  e^z overflows, and 745 for a softmax: cross-entropies if right by more than M (focal loss: 745 /
  (1 + gamma); label-smoothed: never), squared errors if right by more than 372 or wrong by more than
  M, the absolute error if right or wrong by more than M. ``survival`` counts such entries as
  underflow, not as zero.
* All examples and neurons of a run share one exponent. Values more than 2^1000 below the largest one of
  their layer, including biases, may become 0, and a neuron or example that depends on them alone then
  counts as dead. Pass examples that far apart in separate calls. A weight below 2^-174 can also make
  an activation underflow in a single product.
* A forward pass can be chaotic (tanh with sigma_w = 3: between depth 100 and 200 rounding errors grow to
  the size of the activations). The norms are then those of the network as computed in float64, whose
  trajectory is no longer that of exact arithmetic.
"""

from collections.abc import Iterator
from copy import copy
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
from experiments.backprop.exponents import Scaled, normalised, scaled
from experiments.core.activation import Activation, DerivativeRule
from experiments.core.loss import Loss
from experiments.models import MLP

#: forward values between 2^-LIMIT and 2^LIMIT are not rescaled
LIMIT = 900
#: mantissas of deltas are all 0, or have norms between 2^-DELTA_LIMIT and 2^DELTA_LIMIT
DELTA_LIMIT = 64
#: for |z| below this, sigma' is never subnormal, whatever the activation
NORMAL_DERIVATIVE = 300.0
#: how closely an activation must satisfy sigma(2z) = 2 sigma(z) to count as homogeneous
TOLERANCE = 2.0**-40


@dataclass(frozen=True)
class ScaledBackpropagation:
    """log10 of Frobenius norms; lists over the layers with weights, each entry () or (R,), float64.

    Attributes:
        log10_delta_norms: of dC/dz^[l], over batch and neurons, including the factor 1/batch.
        log10_weight_gradient_norms: of dC/dW^[l].
        log10_bias_gradient_norms: of dC/db^[l].

    A gradient that is exactly 0 has log10 norm -inf; so does one in which a single sigma' or loss slope
    underflows in float64 (see the limits above). ``survival`` distinguishes the two.
    """

    log10_delta_norms: list[Float64[Tensor, "*runs"]]
    log10_weight_gradient_norms: list[Float64[Tensor, "*runs"]]
    log10_bias_gradient_norms: list[Float64[Tensor, "*runs"]]


@dataclass(frozen=True)
class ScaledPass:
    """All results of the scaled recursion; lists over the layers with weights, and ``a[0]`` is x."""

    a: list[Scaled]
    deltas: list[Scaled]
    z: list[Scaled]
    derivatives: list[Tensor]
    slope: Scaled


def scaled_backpropagate(
    net: MLP, x: Shaped[Tensor, "..."], t: Shaped[Tensor, "..."], loss: Loss
) -> ScaledBackpropagation:
    """log10 of the norms of the gradients of ``backpropagate``, also where floats are 0 or infinite.

    Args:
        net: one network or a stack of R.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).
        t: targets in the form that the loss accepts.
        loss: any loss.

    Raises:
        ValueError: for input or targets that do not fit.

    Example:
        A thousand sigmoid layers:

        >>> from experiments.activations import Sigmoid
        >>> from experiments.initializers import Glorot
        >>> from experiments.losses import HalfSquaredError
        >>> net = MLP((4, *[8] * 1000, 1), Sigmoid(), Glorot(), seed=0)
        >>> norms = scaled_backpropagate(net, torch.ones(3, 4), torch.zeros(3, 1), HalfSquaredError())
        >>> -700 < norms.log10_delta_norms[0] < -500
        tensor(True)
    """
    x = require_input(net, x)
    require_loss(loss)
    require_targets(t)
    return scaled_norms(layers_of(net), x, t, loss)


@torch.no_grad()
def scaled_norms(layers: list[Layer], x: Tensor, t: Tensor, loss: Loss) -> ScaledBackpropagation:
    """``scaled_backpropagate`` for layers and input that were already checked.

    Only a and sigma' of every layer are stored: allocating more memory would cost more than the products.
    """
    layers = _exact(layers)
    a, derivatives = [_input(layers, x)], []
    for _, value, derivative in _forward(layers, a[0]):
        a.append(value)
        derivatives.append(derivative)
    slope = _slope(loss, a[-1], t)
    norms = ScaledBackpropagation([], [], [])
    for delta, a_prev in zip(_backward(layers, derivatives, slope), a[-2::-1], strict=True):
        gradient = delta.mantissa.mT @ a_prev.mantissa
        bias_gradient = delta.mantissa.sum(-2, keepdim=True)
        exponent = delta.exponent + a_prev.exponent
        norms.log10_delta_norms.insert(0, delta.log10_norm)
        norms.log10_weight_gradient_norms.insert(0, Scaled(gradient, exponent).log10_norm)
        norms.log10_bias_gradient_norms.insert(0, Scaled(bias_gradient, delta.exponent).log10_norm)
    return norms


@torch.no_grad()
def scaled_pass(layers: list[Layer], x: Tensor, t: Tensor, loss: Loss) -> ScaledPass:
    """The scaled recursion with all its intermediate results."""
    layers = _exact(layers)
    start = _input(layers, x)
    z, a, derivatives = (list(part) for part in zip(*_forward(layers, start), strict=True))
    slope = _slope(loss, a[-1], t)
    deltas = list(_backward(layers, derivatives, slope))
    return ScaledPass([start, *a], deltas[::-1], z, derivatives, slope)


def _exact(layers: list[Layer]) -> list[Layer]:
    return [Layer(W.double(), b.double(), with_rule(sigma, "exact")) for W, b, sigma in layers]


def _input(layers: list[Layer], x: Tensor) -> Scaled:
    runs = layers[0].b.shape[:-1]
    x = x.double().expand(*runs, *x.shape[-2:])
    return Scaled(x, x.new_zeros((*runs, 1, 1)))


def _forward(layers: list[Layer], a: Scaled) -> Iterator[tuple[Scaled, Scaled, Tensor]]:
    """z, a and sigma'(z) of every layer, first to last."""
    for layer in layers:
        z = _rescaled(layer.activation, _affine(layer, a))
        value, derivative = _evaluated(layer, z.mantissa)
        a = Scaled(value, z.exponent)
        yield z, a, derivative


def _backward(layers: list[Layer], derivatives: list[Tensor], slope: Scaled) -> Iterator[Scaled]:
    """delta of every layer, last to first."""
    batch = slope.mantissa.shape[-2]
    delta = _normalised(slope.mantissa / batch * derivatives[-1], slope.exponent)
    yield delta
    for layer, derivative in zip(layers[:0:-1], derivatives[-2::-1], strict=True):
        delta = _normalised((delta.mantissa @ layer.W) * derivative, delta.exponent)
        yield delta


def _evaluated(layer: Layer, z: Tensor) -> tuple[Tensor, Tensor]:
    """sigma(z) and sigma'(z); in one call, which is faster, if neither can be subnormal."""
    if bool(z.abs().max() < NORMAL_DERIVATIVE):
        return layer.evaluate(z)
    return layer.activation.value(z), layer.derivative(z)


def with_rule(activation: Activation, rule: DerivativeRule) -> Activation:
    """The activation with this rule for its derivative."""
    twin = copy(activation)
    twin.rule = rule
    return twin


def _affine(layer: Layer, a_prev: Scaled) -> Scaled:
    """W a + b with the exponent of a; with exponent 0 where b dominates tiny values, or W a = 0."""
    if not bool(a_prev.exponent.any()):
        return Scaled(layer.affine(a_prev.mantissa), a_prev.exponent)
    product = a_prev.mantissa @ layer.W.mT
    b = layer.b.unsqueeze(-2)
    bias_dominates = (a_prev.exponent < 0) & (b != 0).any(-1, keepdim=True)
    # a layer that is all 0 has no size of its own: with its exponent, b would be lost
    exponent = torch.where(bias_dominates | _all_zero(product), 0.0, a_prev.exponent)
    return Scaled(scaled(product, a_prev.exponent - exponent) + scaled(b, -exponent), exponent)


def _rescaled(activation: Activation, z: Scaled) -> Scaled:
    """z with exponent 0 where possible, else rescaled into 2^-LIMIT .. 2^LIMIT if sigma is homogeneous."""
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
    """Whether sigma(2z) = 2 sigma(z) and sigma'(2z) = sigma'(z), separately for every run."""
    return _close(activation.value(2 * z), 2 * activation.value(z)) & _close(
        activation.derivative(2 * z), activation.derivative(z)
    )


def _close(values: Tensor, expected: Tensor) -> Tensor:
    distance = (values - expected).abs().amax((-2, -1), keepdim=True)
    return distance <= TOLERANCE * expected.abs().amax((-2, -1), keepdim=True)


def _slope(loss: Loss, outputs: Scaled, t: Tensor) -> Scaled:
    """delta^[L] for outputs that may be too large or too small for floats.

    For such outputs the slope of a loss is either proportional to the outputs (squared error; for tiny
    outputs, with targets 0) or has reached a limit (a saturated link; the sign of an absolute error).
    Evaluating the loss at the mantissas and at half of them tells which. For tiny outputs this concerns
    only the entries whose slope is 0 at output 0.
    """
    t = t.double() if t.is_floating_point() else t
    plain = scaled(outputs.mantissa, outputs.exponent)
    slope = loss.delta(plain, t)
    beyond = ~torch.isfinite(plain).all(-1, keepdim=True).all(-2, keepdim=True)
    below = outputs.exponent < 0
    if not bool((beyond | below).any()):
        return Scaled(slope, torch.zeros_like(outputs.exponent))
    out_of_range = beyond | below & (loss.delta(torch.zeros_like(plain), t) == 0)
    at_mantissa = torch.where(out_of_range, loss.delta(outputs.mantissa, t), 0.0)
    at_half = torch.where(out_of_range, loss.delta(outputs.mantissa / 2, t), 0.0)
    constant = _close(at_mantissa, at_half)
    # the exponent applies to all entries, so all others must be 0
    others_are_zero = _all_zero(torch.where(out_of_range, 0.0, slope))
    proportional = others_are_zero & ~constant & _close(at_mantissa, 2 * at_half)
    return Scaled(
        torch.where(out_of_range & (proportional | constant), at_mantissa, slope),
        torch.where(proportional, outputs.exponent, 0.0),
    )


def _all_zero(values: Tensor) -> Tensor:
    return (values == 0).all(-1, keepdim=True).all(-2, keepdim=True)


def _normalised(values: Tensor, exponent: Tensor) -> Scaled:
    """values * 2^exponent with a mantissa that is neither very small nor very large."""
    unchanged = Scaled(values, exponent)
    if unchanged.lies_within(-DELTA_LIMIT, DELTA_LIMIT):
        return unchanged
    mantissa, shift = normalised(values, dims=2)
    return Scaled(mantissa, exponent + shift)
