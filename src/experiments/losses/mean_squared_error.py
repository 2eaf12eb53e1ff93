r"""Mean squared error: the mean over the outputs, as in torch.nn.MSELoss for one example.

::

    C_d     = 1/n_L sum_j (a_j - t_j)^2
    delta   = 2/n_L J (a - t)                 J = da/dz of the link
    H v     = 2/n_L [J J v + (dJ/dz . v) (a - t)]

    link       delta_j                                              cost of a class    convex in z
    identity   2/n_L (a_j - t_j)                                    [0, inf)           yes
    sigmoid    2/n_L (a_j - t_j) a_j (1 - a_j)                      [0, 1)             no
    softmax    2/n_L a_j [(a_j - t_j) - sum_k a_k (a_k - t_k)]      [0, 2 / n_L)       no

With ten outputs this gradient is five times smaller than that of HalfSquaredError, so runs of the two
at the same learning rate are not comparable.

Normaliser: the mean over the outputs.   Targets: any values, or classes.

References:
    torch.nn.MSELoss (with the mean over the batch taken by ``forward``).
"""

from typing import final

from experiments.core.squared_loss import SquaredLoss


@final
class MeanSquaredError(SquaredLoss):
    """C_d = 1/n_L sum_j (a_j - t_j)^2.

    Args:
        link: ``"identity"``, ``"sigmoid"`` or ``"softmax"``.

    Example:
        >>> import torch
        >>> MeanSquaredError().per_example(torch.tensor([[3.0, 1.0]]), torch.tensor([0]))
        tensor([2.5000])
    """

    def __init__(self, link: str = "identity") -> None:
        super().__init__(link)

    def factor(self, n_out: int) -> float:
        return 1 / n_out
