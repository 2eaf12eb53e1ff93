"""AdamW: Adam whose weight decay stays outside the division.

::

    theta <- theta - lr weight_decay theta
    theta <- theta - lr (m / c1) / (sqrt(s / c2) + eps)         m, s, c1, c2 of g alone, as in Adam

Every parameter decays at the same rate, where Adam's penalty is divided by the parameter's own
gradient scale. Equal to torch.optim.AdamW, run by run.

References:
    Loshchilov & Hutter (2019), algorithm 2.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from experiments.training.optimizers.moments import Moments
from experiments.training.optimizers.optimizer import Hyperparameter


class AdamW(Moments):
    """AdamW; every number is one for all runs or a sequence of R.

    Args:
        lr: learning rate eta, from 0: about the size of one update of one parameter.
        betas: (beta1, beta2), each in [0, 1): decay rates of the running means of g and g^2; or a
            tensor (R, 2).
        eps: added to the root mean square, from 0; with 0 a gradient that was always 0 gives 0/0.
        weight_decay: share of a parameter that is lost in a step, in units of lr; from 0.

    Raises:
        ConfigurationError: for a number outside its range.

    Example:
        Without a gradient only the decay is left:

        >>> import torch
        >>> theta = torch.ones(1, 1)
        >>> AdamW(lr=0.1, weight_decay=0.5).step([theta], [torch.zeros(1, 1)])
        >>> theta
        tensor([[0.9500]])
    """

    def __init__(
        self,
        lr: Hyperparameter,
        betas: Sequence[Hyperparameter] | Tensor = (0.9, 0.999),
        eps: Hyperparameter = 1e-8,
        weight_decay: Hyperparameter = 0.01,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay)

    def update(
        self,
        parameter: Float[Tensor, "runs *shape"],
        gradient: Float[Tensor, "runs *shape"],
        memory: dict[str, Tensor],
        numbers: dict[str, Tensor],
    ) -> None:
        if self.active["weight_decay"]:
            parameter.addcmul_(parameter, numbers["lr"] * numbers["weight_decay"], value=-1)
        self.descend(parameter, gradient, memory, numbers)
