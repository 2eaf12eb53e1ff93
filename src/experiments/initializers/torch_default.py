"""TorchDefault: the default initialisation of torch.nn.Linear, with which gradients vanish.

::

    W_jk, b_j ~ U(-r, r),   r = 1 / sqrt(n_{l-1})
    Var W_jk = Var b_j = 1 / (3 n_{l-1})             sigma_w^2 = 1/3

torch writes it as kaiming_uniform with a = sqrt(5). It is the "standard" heuristic that Glorot &
Bengio measured as harmful in 2010: without biases every layer multiplies the gradient norm by
0.577 for tanh and ELU, 0.408 for ReLU, and 0.141 for the sigmoid. It is provided for comparison.

References:
    Glorot & Bengio (2010), eq. 1; torch.nn.Linear.reset_parameters.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from experiments.core.initializer import Initializer, centred_uniform


@dataclass(frozen=True)
class TorchDefault(Initializer):
    """Uniform weights and biases within 1 / sqrt(n_{l-1}), as torch.nn.Linear draws them.

    The distribution is torch's; the numbers are not, since torch draws in float32 from one
    global stream.

    Example:
        >>> TorchDefault().weight_variance(n=30, n_prev=10) == 1 / 30
        True
    """

    def weight(
        self, n: int, n_prev: int, generator: torch.Generator
    ) -> Float64[Tensor, "{n} {n_prev}"]:
        return centred_uniform(n, n_prev, generator=generator) / math.sqrt(n_prev)

    def bias(self, n: int, n_prev: int, generator: torch.Generator) -> Float64[Tensor, " {n}"]:
        return centred_uniform(n, generator=generator) / math.sqrt(n_prev)

    def weight_variance(self, n: int, n_prev: int) -> float:
        return 1.0 / (3 * n_prev)

    def bias_variance(self, n: int, n_prev: int) -> float:
        return 1.0 / (3 * n_prev)
