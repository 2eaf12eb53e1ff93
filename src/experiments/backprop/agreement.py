"""The input gradient computed in four ways, and how well these agree."""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from experiments.backprop.checks import require_input, require_single_output
from experiments.backprop.cost import multiply_adds
from experiments.backprop.forward import forward_pass
from experiments.backprop.jacobian import forward_products
from experiments.backprop.sensitivity import input_gradient
from experiments.models import MLP


@dataclass(frozen=True)
class Way:
    """One way to compute grad a^[L](x), compared with the reverse order.

    Attributes:
        name: "reverse", "row", "forward mode" or "finite differences".
        difference: largest distance to the reverse order over runs and examples, relative to the norm
            of the gradient; 0 for the reverse order itself, and 1 where only one of the two gradients
            is exactly 0.
        multiply_adds: for one example, including the forward pass.
    """

    name: str
    difference: float
    multiply_adds: int


def gradient_agreement(net: MLP, x: Shaped[Tensor, "..."]) -> tuple[Way, ...]:
    """Compute grad a^[L](x) in four ways and compare.

    The ways are the two orders by hand, forward mode, and central differences of a^[L]. The differences
    use the step h = eps^(1/3) max(1, |x_i|), at which the truncation and rounding errors of an O(1)
    function are about equal. Their error is the larger of eps^(2/3) and the rounding error
    eps |a^[L]| / (h ||grad a^[L]||), and more if a kink lies within the step. In a network whose gradient
    vanishes, expect differences of 1 (a difference quotient of exactly 0) or more.

    Args:
        net: a network with one output neuron, or a stack of R.
        x: (batch, n_1), shared by all runs, or (R, batch, n_1).

    Raises:
        ValueError: if n_L > 1, or the input does not fit.

    Example:
        >>> from experiments.activations import Tanh
        >>> from experiments.initializers import Glorot
        >>> net = MLP((3, 8, 8, 1), Tanh(), Glorot(), seed=0).double()
        >>> ways = gradient_agreement(net, torch.ones(4, 3, dtype=torch.float64))
        >>> [(way.name, way.difference < 1e-8) for way in ways]
        [('reverse', True), ('row', True), ('forward mode', True), ('finite differences', True)]
    """
    require_single_output(net)
    x = require_input(net, x)
    cost = multiply_adds(net.widths)
    reference = input_gradient(net, x)
    ways = {
        "reverse": (reference, cost.reverse),
        "row": (input_gradient(net, x, order="row"), cost.row),
        "forward mode": (forward_products(net, x)[-1].squeeze(-2), cost.forward_mode),
        "finite differences": (_central_difference(net, x), cost.finite_differences),
    }
    return tuple(
        Way(name, _difference(gradient, reference), count)
        for name, (gradient, count) in ways.items()
    )


def _central_difference(net: MLP, x: Tensor) -> Tensor:
    columns = []
    for i in range(x.shape[-1]):
        h = torch.finfo(x.dtype).eps ** (1 / 3) * x[..., i].abs().clamp(min=1.0)
        ahead, behind = x.clone(), x.clone()
        ahead[..., i] += h
        behind[..., i] -= h
        # the actual step: x + h and x - h are rounded
        step = (ahead - behind)[..., i]
        rise = forward_pass(net, ahead).a[-1] - forward_pass(net, behind).a[-1]
        columns.append(rise.squeeze(-1) / step)
    return torch.stack(columns, dim=-1)


def _difference(gradient: Tensor, reference: Tensor) -> float:
    distance, norm = _norm(gradient.double() - reference.double()), _norm(reference.double())
    scale = torch.where(norm == 0, distance, norm)
    return float((distance / torch.where(scale == 0, 1.0, scale)).max())


def _norm(rows: Tensor) -> Tensor:
    """The norm of every row; scaled by its largest entry, because the square of 1e-200 is 0."""
    largest = rows.abs().amax(-1)
    scale = torch.where(largest == 0, 1.0, largest)
    norm: Tensor = largest * torch.linalg.vector_norm(rows / scale.unsqueeze(-1), dim=-1)
    return norm
