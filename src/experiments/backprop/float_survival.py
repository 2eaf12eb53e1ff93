"""What floats make of a gradient: which entries survive, and what the others were lost to."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from experiments.backprop.admission import Layer, layers_of
from experiments.backprop.recursion import stored_backpropagation
from experiments.backprop.scaling import Scaled, scaled_pass, with_rule
from experiments.core.loss import Loss
from experiments.models import MLP


@dataclass(frozen=True)
class Survival:
    """Shares of one layer's gradient entries, each () or (R,), float64; they sum to 1.

    Attributes:
        kept: not zero in plain floats, whichever rule computes sigma'.
        rounded_rule: alive under the exact derivative, exactly 0 under torch's own rule, which
            rebuilds sigma' from the rounded output.
        underflow: exactly 0 in plain floats under either rule, although the true value is not.
        overflow: not finite in plain floats.
        zero: truly 0, for instance behind a dead ReLU.
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

    The true gradient is that of ``scaled_backpropagate``. Nothing is said about digits: an entry that
    is not 0 counts as kept even where it is a subnormal number with few of them.

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
    true = scaled_pass(net, x, t, loss)
    layers = layers_of(net)
    exact, native = (
        stored_backpropagation(
            [Layer(W, b, with_rule(sigma, rule)) for W, b, sigma in layers], x.detach(), t, loss
        )
        for rule in ("exact", "native")
    )
    return GradientSurvival(
        deltas=[
            _compared(*three)
            for three in zip(true.deltas, exact.deltas, native.deltas, strict=True)
        ],
        weight_gradients=[
            _compared(true.weight_gradient(k), *two)
            for k, two in enumerate(
                zip(exact.weight_gradients, native.weight_gradients, strict=True)
            )
        ],
    )


def _compared(true: Scaled, exact: Tensor, native: Tensor) -> Survival:
    zero = (true.mantissa == 0).expand(exact.shape)
    overflow = ~zero & ~(torch.isfinite(exact) & torch.isfinite(native))
    alive = ~zero & ~overflow
    kept = alive & (native != 0)
    rounded = alive & (native == 0) & (exact != 0)
    underflow = alive & (native == 0) & (exact == 0)
    return Survival(*(_share(part) for part in (kept, rounded, underflow, overflow, zero)))


def _share(entries: Tensor) -> Tensor:
    return entries.double().mean((-2, -1))
