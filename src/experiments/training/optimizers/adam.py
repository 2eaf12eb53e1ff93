"""Adam: steps of about lr, whatever the scale of the gradient.

::

    g <- g + weight_decay theta
    m <- beta1 m + (1 - beta1) g              c1 = 1 - beta1^step
    s <- beta2 s + (1 - beta2) g^2            c2 = 1 - beta2^step
    theta <- theta - lr (m / c1) / (sqrt(s / c2) + eps)

Equal to torch.optim.Adam, run by run.

Scale: a gradient far above eps is divided out, so updates do not shrink with depth; below eps they
do. In float32 g^2 is 0 from |g| = 1e-23 down, from 1e-19 where subnormals are flushed: such a layer
moves by lr m / (c1 eps).

References:
    Kingma & Ba (2015), algorithm 1.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.training.optimizers.moments import Moments
from experiments.training.optimizers.optimizer import Hyperparameter


class Adam(Moments):
    """Adam; every number is one for all runs or a sequence of R.

    Args:
        lr: learning rate eta, from 0: about the size of one update of one parameter.
        betas: (beta1, beta2), each in [0, 1): decay rates of the running means of g and g^2; or a
            tensor (R, 2).
        eps: added to the root mean square, from 0; with 0 a gradient that was always 0 gives 0/0.
        weight_decay: lambda of the penalty lambda/2 |theta|^2, which enters g; from 0.

    Raises:
        ConfigurationError: for a number outside its range.

    Example:
        The first step is lr times the sign of the gradient:

        >>> theta = torch.zeros(1, 2)
        >>> Adam(lr=0.5).step([theta], [torch.tensor([[1e-3, -1e3]])])
        >>> theta
        tensor([[-0.5000,  0.5000]])
    """

    def __init__(
        self,
        lr: Hyperparameter,
        betas: Sequence[Hyperparameter] | Tensor = (0.9, 0.999),
        eps: Hyperparameter = 1e-8,
        weight_decay: Hyperparameter = 0.0,
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
            gradient = torch.addcmul(gradient, parameter, numbers["weight_decay"])
        self.descend(parameter, gradient, memory, numbers)
