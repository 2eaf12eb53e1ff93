"""What backpropagation returns."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Backpropagation:
    """Cost and gradients of one pass; lists run over the layers with weights, l = 2 .. L.

    Everything belongs to the mean cost C over the batch, so the sums over examples are already
    divided: ``deltas[k]`` is dC/dz^[k+2], 1/batch included.

    Attributes:
        loss: C, () or (R,).
        deltas: dC/dz^[l], (batch, n) or (R, batch, n).
        weight_gradients: dC/dW^[l], the shape of W^[l].
        bias_gradients: dC/db^[l], the shape of b^[l].
        activation_gradients: dC/da^[l-1], (batch, n_prev) or (R, batch, n_prev), the first of which
            is dC/dx; None unless asked for.
    """

    loss: Float[Tensor, "*runs"]
    deltas: list[Float[Tensor, "*runs batch _"]]
    weight_gradients: list[Float[Tensor, "*runs _ _"]]
    bias_gradients: list[Float[Tensor, "*runs _"]]
    activation_gradients: list[Float[Tensor, "*runs batch _"]] | None = None
