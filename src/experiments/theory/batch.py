r"""The moments of a batch that the theory needs: lengths, and correlations of its examples in classes.

    inputs = mean of x_dj^2,    deltas = mean of (dC_d/dz^[L]_j)^2

and for the pairs d != d', sorted by the cosine of their inputs and divided into classes of equal size::

    input_correlation          mean of x_d . x_d' / (|x_d| |x_d'|)
    delta_correlation          mean of delta_d . delta_d' over the mean of |delta_d|^2
    delta_correlation_squared  mean of the squared cosine of delta_d and delta_d'

Classes are needed because similar inputs tend to have similar targets. The weight gradient is a sum over
products, and the mean of a product is not the product of the means.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from experiments.core.direction import direction
from experiments.core.errors import ConfigurationError, describe
from experiments.theory.quadrature import Scale


def _one() -> Tensor:
    return torch.ones(1, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class BatchMoments:
    """Second moments of a batch and of its pairs, in classes; the defaults are for a single example.

    Args:
        inputs: mean square of x, above 0.
        deltas: mean square of delta^[L] of the cost of one example (from ``loss.delta``, no 1/batch).
        size: number of examples B.
        shares: share of the pairs in each class; they add up to 1.
        input_correlation: per class, from -1 to 1.
        delta_correlation: per class.
        delta_correlation_squared: per class.

    Raises:
        ConfigurationError: for a second moment that is negative or not finite, or inputs that are all 0.
    """

    inputs: Scale
    deltas: Scale
    size: int = 1
    shares: Float64[Tensor, " classes"] = field(default_factory=_one)
    input_correlation: Float64[Tensor, " classes"] = field(default_factory=_one)
    delta_correlation: Float64[Tensor, " classes"] = field(default_factory=_one)
    delta_correlation_squared: Float64[Tensor, " classes"] = field(default_factory=_one)

    def __post_init__(self) -> None:
        if not (0 < self.inputs < torch.inf and 0 <= self.deltas < torch.inf):
            raise ConfigurationError(
                describe(
                    f"mean squares inputs={self.inputs}, deltas={self.deltas}",
                    "finite ones, inputs above 0",
                    "measure them on a batch that is not all zeros",
                )
            )

    @classmethod
    def of(
        cls,
        x: Float[Tensor, "batch n_in"],
        deltas: Float[Tensor, "*runs batch n_out"],
        classes: int = 12,
    ) -> "BatchMoments":
        """Measure a batch.

        Args:
            x: inputs.
            deltas: ``loss.delta(net(x), t)``, for one network or a stack, which is averaged.
            classes: number of classes of pairs; more classes resolve the spread of angles better.

        Example:
            >>> x = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
            >>> batch = BatchMoments.of(x, torch.tensor([[1.0], [-1.0]]))
            >>> batch.size, batch.inputs, batch.input_correlation, batch.delta_correlation
            (2, 6.25, tensor([1.0000], dtype=torch.float64), tensor([-1.], dtype=torch.float64))
        """
        x, deltas = x.detach().double(), deltas.detach().double()
        size, inputs = len(x), float(x.square().mean())
        mean_square = float(deltas.square().mean())
        if size < 2:
            return cls(inputs, mean_square)
        first, second = torch.triu_indices(size, size, offset=1)
        unit = _unit(x)
        cosine, order = (unit @ unit.T)[first, second].sort()
        first, second = first[order], second[order]
        product, squared = torch.zeros_like(cosine), torch.zeros_like(cosine)
        for run in deltas.reshape(-1, size, deltas.shape[-1]):
            unit = _unit(run)
            product += (run @ run.T)[first, second]
            squared += (unit @ unit.T)[first, second].square()
        runs = deltas.numel() / (size * deltas.shape[-1])
        scale = max(mean_square * deltas.shape[-1], torch.finfo(torch.float64).tiny)
        parts = min(classes, len(cosine))
        columns = (cosine.clamp(-1, 1), product / (runs * scale), squared / runs)
        shares = [len(part) / len(cosine) for part in cosine.tensor_split(parts)]
        return cls(
            inputs,
            mean_square,
            size,
            torch.tensor(shares, dtype=torch.float64),
            *(torch.stack([p.mean() for p in c.tensor_split(parts)]) for c in columns),
        )


def _unit(rows: Tensor) -> Tensor:
    """Directions; a row of zeros has none, and its products are 0."""
    return direction(rows).nan_to_num(0.0)
