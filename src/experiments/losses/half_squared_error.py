r"""Half squared error: half the squared distance from prediction to target (note 003).

::

    C_d     = 1/2 sum_j (a_j - t_j)^2
    delta   = J (a - t)                       J = da/dz of the link
    H v     = J J v + (dJ/dz . v) (a - t)

    link       delta_j                                          cost of a class   convex in z
    identity   a_j - t_j                                        [0, inf)          yes
    sigmoid    (a_j - t_j) a_j (1 - a_j)                        [0, n_L / 2)      no
    softmax    a_j [(a_j - t_j) - sum_k a_k (a_k - t_k)]        [0, 1)            no

With a sigmoid or a softmax, delta tends to 0 where the answer is confidently wrong. It is computed so
that it stays accurate as long as the true value is representable.

Normaliser: one half of the sum over the outputs.   Targets: any values, or classes.

References:
    Note 003, "Cost function"; Nielsen, Neural Networks and Deep Learning, ch. 3, eq. 54-55.
"""

from typing import final

from experiments.core.squared_loss import SquaredLoss


@final
class HalfSquaredError(SquaredLoss):
    """C_d = 1/2 sum_j (a_j - t_j)^2.

    Args:
        link: ``"identity"``, ``"sigmoid"`` or ``"softmax"``.

    Example:
        >>> import torch
        >>> HalfSquaredError().delta(torch.tensor([[3.0, 0.5]]), torch.tensor([0]))
        tensor([[2.0000, 0.5000]])
    """

    def __init__(self, link: str = "identity") -> None:
        super().__init__(link)

    def factor(self, n_out: int) -> float:
        return 0.5
