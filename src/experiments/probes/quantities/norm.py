"""The Frobenius norm per run, accumulated in float64, so that squares cannot underflow."""

import torch
from torch import Tensor


def norm_per_run(t: Tensor) -> Tensor:
    """(R, ...) -> (R,): the Frobenius norm of every run's part, in float64."""
    norm: Tensor = torch.linalg.vector_norm(t.flatten(1), dim=1, dtype=torch.float64)
    return norm
