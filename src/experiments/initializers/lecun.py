"""LeCun: z has the same mean square as the activations of the layer below.

::

    Var W_jk = 1 / n_{l-1}

With normal weights, the same numbers as Gaussian(sigma_w=1). Critical for tanh at sigma_b = 0, and the scale
for which SELU is designed.

References:
    LeCun, Bottou, Orr & Mueller (1998), "Efficient BackProp", section 4.6.
"""

from dataclasses import dataclass

from experiments.core.finite import finite
from experiments.core.initializer import Distribution, ScaledInitializer, require_distribution


@dataclass(frozen=True)
class LeCun(ScaledInitializer):
    """Weights of variance 1 / n_{l-1}.

    Args:
        distribution: ``"normal"`` or ``"uniform"``, of the same variance (the paper allows both).
        sigma_b: standard deviation of one bias; 0 sets all biases to zero.

    Raises:
        ConfigurationError: for an unknown distribution, or a scale that is negative or not finite.

    Example:
        >>> LeCun().weight_variance(n=30, n_prev=10)
        0.1
    """

    distribution: Distribution = "normal"
    sigma_b: float | int = 0.0

    def __post_init__(self) -> None:
        require_distribution(self.distribution)
        finite("sigma_b", self.sigma_b, low=0.0)

    def weight_variance(self, n: int, n_prev: int) -> float:
        return 1.0 / n_prev
