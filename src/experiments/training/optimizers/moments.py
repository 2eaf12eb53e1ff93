"""What Adam and AdamW share: two running means of the gradient, and the step they make.

::

    m <- m + rate1 (g - m)            c1 <- c1 + rate1 (1 - c1)       rate1 = 1 - beta1
    s <- s + rate2 (g^2 - s)          c2 <- c2 + rate2 (1 - c2)       rate2 = 1 - beta2
    theta <- theta - lr (m / c1) / (sqrt(s / c2) + eps)

c = 1 - beta^step corrects the start from zero. Kept as the running mean of a gradient of 1, in
float64, it needs no step number from outside and uses the same rounded rate as m and s.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

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


class Moments(Optimizer):
    """The numbers and the memory of an optimiser that divides by a running root mean square."""

    arguments: ClassVar[Mapping[str, str]] = {"rate1": "betas[0]", "rate2": "betas[1]"}

    def __init__(
        self,
        lr: Hyperparameter,
        betas: Sequence[Hyperparameter] | Tensor,
        eps: Hyperparameter,
        weight_decay: Hyperparameter,
    ) -> None:
        pair: tuple[Hyperparameter, ...] = ()
        if isinstance(betas, Tensor):
            pair = betas.unbind(-1) if betas.ndim else ()
        elif isinstance(betas, Sequence):  # an option file may hold anything
            pair = tuple(betas)
        if len(pair) != 2:
            found, remedy = f"betas={betas!r}", "give betas=[0.9, 0.999]"
            raise ConfigurationError(describe(found, "two numbers, beta1 and beta2", remedy))
        both = {f"betas[{k}]": beta for k, beta in enumerate(pair)}
        super().__init__(lr=lr, **both, eps=eps, weight_decay=weight_decay)
        for rate, argument in self.arguments.items():
            beta = self.hyperparameters.pop(argument)
            require(argument, beta, below=1.0)
            self.hyperparameters[rate] = 1 - beta
        for name in ("lr", "eps", "weight_decay"):
            require(name, self.hyperparameters[name])

    @final
    def allocate(self, parameter: Float[Tensor, "runs *shape"]) -> dict[str, Tensor]:
        shape = one_per_run(parameter)
        return {
            "mean": torch.zeros_like(parameter),
            "square": torch.zeros_like(parameter),
            "mean_correction": parameter.new_zeros(shape, dtype=torch.float64),
            "square_correction": parameter.new_zeros(shape, dtype=torch.float64),
        }

    @final
    def descend(
        self,
        parameter: Float[Tensor, "runs *shape"],
        gradient: Float[Tensor, "runs *shape"],
        memory: dict[str, Tensor],
        numbers: dict[str, Tensor],
    ) -> None:
        """The step of the module's formula, in place."""
        m, s = memory["mean"], memory["square"]
        c1, c2 = memory["mean_correction"], memory["square_correction"]
        c1 += numbers["rate1"] * (1 - c1)
        c2 += numbers["rate2"] * (1 - c2)
        m.lerp_(gradient, numbers["rate1"])
        scratch = gradient * gradient
        s.lerp_(scratch, numbers["rate2"])
        torch.sqrt(s, out=scratch)
        torch.addcmul(numbers["eps"], scratch, c2.rsqrt().to(s.dtype), out=scratch)
        torch.div(m, scratch, out=scratch)
        parameter.addcmul_(scratch, (numbers["lr"] / c1).to(s.dtype), value=-1)
