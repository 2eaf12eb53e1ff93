"""Orthogonal: a random orthogonal matrix, so that a square linear layer preserves all lengths.

::

    n_l >= n_{l-1}:  W^T W = gain^2 I      orthonormal columns
    n_l <  n_{l-1}:  W W^T = gain^2 I      orthonormal rows
    Var W_jk = gain^2 / max(n_l, n_{l-1})

The columns (or rows) of W are gain times unit vectors with m = max(n_l, n_{l-1}) entries, uniform on the
sphere. So the m squares of a vector have equal expectations with sum gain^2. Entries are uncorrelated but
not independent.

Uniform (Haar) distribution: with A Gaussian and A = QR, Q is uniform if R has a positive diagonal; with the
signs of LAPACK it is not.

References:
    Saxe, McClelland & Ganguli (2013); Mezzadri (2007), "How to generate random matrices from the
    classical compact groups", section 5.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.finite import finite
from experiments.core.initializer import Initializer, normal_bias, standard_normal


def haar(
    rows: int, columns: int, generator: torch.Generator
) -> Float64[Tensor, "{rows} {columns}"]:
    """A uniform random matrix with orthonormal columns; rows >= columns.

    Example:
        >>> q = haar(3, 2, torch.Generator().manual_seed(0))
        >>> bool((q.T @ q - torch.eye(2)).abs().max() < 1e-12)
        True
    """
    gaussian = standard_normal(rows, columns, generator=generator)
    q, r = torch.linalg.qr(gaussian)
    uniform: Tensor = q * torch.where(r.diagonal() < 0, -1.0, 1.0).to(q)
    return uniform


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """Orthonormal rows or columns, whichever fit, times gain.

    Args:
        gain: every nonzero singular value of W, >= 0; the sigma_w of square layers.
        sigma_b: standard deviation of one bias; 0 sets all biases to zero.

    Raises:
        ConfigurationError: for a scale that is negative or not finite.

    Example:
        >>> Orthogonal(gain=2.0).weight_variance(n=10, n_prev=40)
        0.1
    """

    gain: float | int = 1.0
    sigma_b: float | int = 0.0

    def __post_init__(self) -> None:
        finite("gain", self.gain, low=0.0)
        finite("sigma_b", self.sigma_b, low=0.0)

    def weight(
        self, n: int, n_prev: int, generator: torch.Generator
    ) -> Float64[Tensor, "{n} {n_prev}"]:
        q = haar(max(n, n_prev), min(n, n_prev), generator)
        return self.gain * (q if n >= n_prev else q.T)

    def bias(self, n: int, n_prev: int, generator: torch.Generator) -> Float64[Tensor, " {n}"]:
        return normal_bias(n, self.sigma_b, generator)

    def weight_variance(self, n: int, n_prev: int) -> float:
        return float(self.gain) ** 2 / max(n, n_prev)

    def bias_variance(self, n: int, n_prev: int) -> float:
        return float(self.sigma_b) ** 2
