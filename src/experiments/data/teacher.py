"""Teacher: targets computed by another, fixed network, so that a perfect student exists.

::

    x ~ N(0, I),   h^[1] = x,   h^[l] = tanh(W^[l] h^[l-1]),   l = 2 .. teacher_depth + 1
    t = V h^[teacher_depth + 1]
    W_jk ~ N(0, sigma_w^2 / n_{l-1}),   V_jk ~ N(0, 1 / m),   m the width of the last h;   no biases

A student of the same or a larger shape can reach zero loss; the question is how much data and depth this
takes. The mean square of t is about that of the last h: 1 for a linear teacher, less than 1 otherwise.

References:
    Gardner & Derrida (1989); Saad & Solla (1995), for one hidden layer.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.finite import finite
from experiments.core.regression import RegressionDataset
from experiments.core.seeding import DATA, stream
from experiments.core.whole import whole


@dataclass(frozen=True, kw_only=True)
class Teacher(RegressionDataset):
    """Regression on a random tanh network; other arguments as in RegressionDataset.

    Args:
        features: dimension n_1 of the input, >= 1.
        outputs: number n_L of target values, >= 1.
        teacher_depth: number of hidden layers of the teacher, >= 0 (0 is a linear teacher).
        teacher_width: number of neurons in each hidden layer, >= 1.
        sigma_w: scale of the hidden weights, >= 0; a larger value makes the teacher less linear.

    Raises:
        ConfigurationError: for a setting outside its range.

    Example:
        >>> train = Teacher(features=5, train_examples=7).load().train
        >>> train.x.shape, train.t.shape
        (torch.Size([7, 5]), torch.Size([7, 1]))
    """

    features: int = 20
    outputs: int = 1
    teacher_depth: int = 1
    teacher_width: int = 8
    sigma_w: float | int = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("features", self.features, 1)
        whole("outputs", self.outputs, 1)
        whole("teacher_depth", self.teacher_depth, 0)
        whole("teacher_width", self.teacher_width, 1)
        finite("sigma_w", self.sigma_w, low=0.0)

    def inputs(self, examples: int, generator: torch.Generator) -> Float[Tensor, "{examples} n_in"]:
        return _normal(examples, self.features, generator)

    def values(self, x: Float[Tensor, "examples n_in"]) -> Float[Tensor, "examples n_out"]:
        generator = stream(self.seed, f"{DATA}/teacher")
        h = x
        for _ in range(self.teacher_depth):
            w = _normal(self.teacher_width, h.shape[1], generator)
            h = torch.tanh(h @ (self.sigma_w / math.sqrt(h.shape[1]) * w).T)
        v = _normal(self.outputs, h.shape[1], generator)
        return h @ (v / math.sqrt(h.shape[1])).T


def _normal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    return torch.randn(rows, columns, dtype=torch.float32, generator=generator)
