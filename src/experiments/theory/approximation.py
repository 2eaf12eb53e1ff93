r"""Networks of one hidden layer that can be written down, for a function F on [0, 1] and N neurons.

As the steepness w grows::

    sigma flat on both sides    f(x) = F(0) + sum_k [F(k/N) - F((k-1)/N)] s(w (x - (k - 1/2)/N))
                                s = (sigma - inf sigma) / (sup sigma - inf sigma)
                                a staircase:            |f - F| <= max|F'| / (2 N)

    sigma flat on the left      f(x) = F(0) + sum_k c_k r(x - (k - 1)/N)
                                r(u) = sigma(w u) / (w sigma'(inf))
                                c_k = change of the slope of F's interpolant at (k - 1)/N
                                straight between k/N:   |f - F| <= max|F''| / (8 N^2)

They show what N neurons can do at least, not what they can do at best.

References:
    Cybenko (1989); Hornik (1991); notes 003.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.whole import whole

#: w, in units of N: at this steepness steps and bends are sharp to seven digits
STEEP = 1e7


@dataclass(frozen=True)
class OneLayer:
    """f(x) = v . sigma(w x + b) + c, for one input and one output; all numbers float64.

    Attributes:
        sigma: the activation.
        w: weights of the hidden layer, (N,).
        b: its biases, (N,).
        v: weights of the output, (N,).
        c: its bias.
    """

    sigma: Activation
    w: Float64[Tensor, " neurons"]
    b: Float64[Tensor, " neurons"]
    v: Float64[Tensor, " neurons"]
    c: float

    def __call__(self, x: Float64[Tensor, " points"]) -> Float64[Tensor, " points"]:
        """f(x)."""
        return self.sigma.value(x[:, None] * self.w + self.b) @ self.v + self.c


def written_down(
    sigma: Activation, function: Callable[[Tensor], Tensor], neurons: int
) -> OneLayer | None:
    """The staircase or the interpolant of a function; None if sigma is flat on neither or the right side.

    Args:
        sigma: the activation of the hidden layer.
        function: F, from (points, 1) to (points,).
        neurons: N, from 1.

    Raises:
        ConfigurationError: if ``neurons`` is not an integer from 1.

    Example:
        >>> from experiments.activations import ReLU, Sigmoid
        >>> x = torch.linspace(0, 1, 10_001, dtype=torch.float64)
        >>> for sigma in (Sigmoid(), ReLU()):
        ...     f = written_down(sigma, lambda x: x[:, 0] ** 2, 10)
        ...     print(f"{(f(x) - x**2).abs().max():.4f}")
        0.0973
        0.0025
    """
    n = whole("neurons", neurons, 1)
    knots = torch.linspace(0.0, 1.0, n + 1, dtype=torch.float64)
    heights = function(knots[:, None]).double()
    w = torch.full((n,), STEEP * n, dtype=torch.float64)
    if set(sigma.saturates) == {"left", "right"}:
        low, high = sigma.range
        v = heights.diff() / (high - low)
        b = -w * (knots[1:] - 0.5 / n)
        return OneLayer(sigma, w, b, v, float(heights[0] - low * v.sum()))
    if sigma.saturates == ("left",):
        slopes = n * heights.diff()
        bends = slopes.diff(prepend=slopes.new_zeros(1))
        far = float(sigma.derivative(w[:1]))
        return OneLayer(sigma, w, -w * knots[:-1], bends / (w * far), float(heights[0]))
    return None
