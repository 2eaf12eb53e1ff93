r"""Squared error: the squared distance from prediction to target, with no half (note 004).

::

    C_d     = sum_j (a_j - t_j)^2
    delta   = 2 J (a - t)                     J = da/dz of the link
    H v     = 2 [J J v + (dJ/dz . v) (a - t)]

    link       delta_j                                          cost of a class   convex in z
    identity   2 (a_j - t_j)                                    [0, inf)          yes
    sigmoid    2 (a_j - t_j) a_j (1 - a_j)                      [0, n_L)          no
    softmax    2 a_j [(a_j - t_j) - sum_k a_k (a_k - t_k)]      [0, 2)            no

On a softmax this is the Brier score. Note 004 prints the derivative with the bracket squared; it is
2 (x-hat - y).

Normaliser: the sum over the outputs.   Targets: any values, or classes.

References:
    Note 004, "Cost function"; Brier (1950).
"""

from typing import final

from experiments.core.squared_loss import SquaredLoss


@final
class SquaredError(SquaredLoss):
    """C_d = sum_j (a_j - t_j)^2.

    Args:
        link: ``"identity"``, ``"sigmoid"`` or ``"softmax"``.

    Example:
        >>> import torch
        >>> SquaredError().delta(torch.tensor([[3.0, 0.5]]), torch.tensor([0]))
        tensor([[4., 1.]])
    """

    def __init__(self, link: str = "identity") -> None:
        super().__init__(link)

    def factor(self, n_out: int) -> float:
        return 1.0
