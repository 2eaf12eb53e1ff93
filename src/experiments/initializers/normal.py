"""Normal: the same standard deviation for every weight and every bias, at any width.

::

    W_jk ~ N(0, std^2),   b_j ~ N(0, std^2)

Common in textbook examples. In a wide network it is a pitfall: sigma_w^2 = n_{l-1} std^2 grows with the
width, and so do the weighted inputs, which then saturate a sigmoid.

References:
    Higham & Higham (2019), section 6 (std = 1/2, 23 parameters); Nielsen (2015), chapter 3, on what
    std = 1 does to a wide layer.
"""

from dataclasses import dataclass, field

from experiments.core.finite import finite
from experiments.core.initializer import Distribution, ScaledInitializer


@dataclass(frozen=True)
class Normal(ScaledInitializer):
    """Normal weights and biases of variance std^2.

    Args:
        std: standard deviation of one weight and of one bias, >= 0.

    Raises:
        ConfigurationError: for a scale that is negative or not finite.

    Example:
        >>> Normal(std=0.5).weight_variance(n=3, n_prev=100), Normal(std=0.5).bias_variance(3, 100)
        (0.25, 0.25)
    """

    std: float | int = 1.0
    sigma_b: float | int = field(init=False, repr=False)
    distribution: Distribution = field(default="normal", init=False, repr=False)

    def __post_init__(self) -> None:
        finite("std", self.std, low=0.0)
        object.__setattr__(self, "sigma_b", self.std)

    def weight_variance(self, n: int, n_prev: int) -> float:
        return float(self.std) ** 2
