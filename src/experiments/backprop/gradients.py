"""The result of backpropagation: cost and gradients."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Backpropagation:
    """Cost and gradients of one pass; lists run over the layers with weights, l = 2 .. L.

    All gradients are those of C, the mean cost over the batch: ``deltas[k]`` is dC/dz^[k+2] and includes
    the factor 1/batch.

    Attributes:
        loss: C, () or (R,).
        deltas: dC/dz^[l], (batch, n) or (R, batch, n).
        weight_gradients: dC/dW^[l], the shape of W^[l].
        bias_gradients: dC/db^[l], the shape of b^[l].
        activation_gradients: dC/da^[l-1], (batch, n_prev) or (R, batch, n_prev); the first entry is
            dC/dx. None unless requested.
    """

    loss: Float[Tensor, "*runs"]
    deltas: list[Float[Tensor, "*runs batch _"]]
    weight_gradients: list[Float[Tensor, "*runs _ _"]]
    bias_gradients: list[Float[Tensor, "*runs _"]]
    activation_gradients: list[Float[Tensor, "*runs batch _"]] | None = None
