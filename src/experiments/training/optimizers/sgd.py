"""SGD: gradient descent, with momentum, dampening, weight decay and Nesterov momentum.

::

    g <- g + weight_decay theta
    v <- momentum v + (1 - dampening) g           v = g at the first step
    theta <- theta - lr v                         plain
    theta <- theta - lr (g + momentum v)          Nesterov

With momentum = 0: theta <- theta - lr g, the update of the notes (W <- W - eta delta a^T). Whether
it is gradient descent or stochastic depends on the batch alone. Equal to torch.optim.SGD, run by
run.

References:
    Notes 003, "final algo"; Polyak (1964); Sutskever et al. (2013), the form without (1 - momentum).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.training.optimizers.optimizer import (
    Hyperparameter,
    Optimizer,
    one_per_run,
    require,
)


class SGD(Optimizer):
    """Gradient descent; every number is one for all runs or a sequence of R.

    Args:
        lr: learning rate eta, from 0.
        momentum: share of the velocity that stays, in [0, 1).
        dampening: share of the gradient that does not enter the velocity, in [0, 1).
        weight_decay: lambda of the penalty lambda/2 |theta|^2, biases included; from 0.
        nesterov: Nesterov momentum; needs momentum in every run, and no dampening.

    Raises:
        ConfigurationError: for a number outside its range.

    Example:
        Two runs of one parameter, each with its own rate:

        >>> theta, gradient = torch.zeros(2, 1), torch.ones(2, 1)
        >>> SGD(lr=[0.1, 1.0]).step([theta], [gradient])
        >>> theta
        tensor([[-0.1000],
                [-1.0000]])
    """

    def __init__(
        self,
        lr: Hyperparameter,
        momentum: Hyperparameter = 0.0,
        dampening: Hyperparameter = 0.0,
        weight_decay: Hyperparameter = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
        numbers = self.hyperparameters
        require("lr", numbers["lr"])
        require("momentum", numbers["momentum"], below=1.0)
        require("dampening", numbers["dampening"], below=1.0)
        require("weight_decay", numbers["weight_decay"])
        still = bool((numbers["momentum"] == 0).any())
        if nesterov and (still or numbers["dampening"].any()):
            raise ConfigurationError(
                describe(
                    f"nesterov with momentum={momentum}, dampening={dampening}",
                    "momentum above 0 and dampening 0, in every run",
                    "set nesterov=false, or momentum=0.9 and dampening=0",
                )
            )
        self.nesterov = nesterov

    def allocate(self, parameter: Float[Tensor, "runs *shape"]) -> dict[str, Tensor]:
        if not self.active["momentum"]:
            return {}
        memory = {"velocity": torch.zeros_like(parameter)}
        if self.active["dampening"]:  # from the second step on; begun is 0, then 1
            memory["begun"] = parameter.new_zeros(one_per_run(parameter))
        return memory

    def update(
        self,
        parameter: Float[Tensor, "runs *shape"],
        gradient: Float[Tensor, "runs *shape"],
        memory: dict[str, Tensor],
        numbers: dict[str, Tensor],
    ) -> None:
        g, momentum = gradient, numbers["momentum"]
        if self.active["weight_decay"]:
            g = torch.addcmul(g, parameter, numbers["weight_decay"])
        if self.active["momentum"]:
            v = memory["velocity"]
            if self.active["dampening"]:
                g = (1 - numbers["dampening"] * memory["begun"]) * g
                memory["begun"].fill_(1.0)
            torch.addcmul(g, v, momentum, out=v)
            g = torch.addcmul(g, v, momentum) if self.nesterov else v
        parameter.addcmul_(g, numbers["lr"], value=-1)
