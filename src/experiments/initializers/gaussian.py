"""Gaussian: the initializer of mean-field theory.

::

    W_jk ~ N(0, sigma_w^2 / n_{l-1}),   b_j ~ N(0, sigma_b^2)

Each z_j = sum_k W_jk a_k + b_j then has variance sigma_w^2 mean(a^2) + sigma_b^2, for any width: sigma_w and
sigma_b are the two axes of the phase diagram.

References:
    Poole et al. (2016); Schoenholz et al. (2017), section 2.
"""

from dataclasses import dataclass, field

from experiments.core.finite import finite
from experiments.core.initializer import Distribution, ScaledInitializer


@dataclass(frozen=True)
class Gaussian(ScaledInitializer):
    """Normal weights of variance sigma_w^2 / n_{l-1}, normal biases of variance sigma_b^2.

    Args:
        sigma_w: scale of the weights, >= 0; not the standard deviation of one weight.
        sigma_b: standard deviation of one bias, >= 0.

    Raises:
        ConfigurationError: for a scale that is negative or not finite.

    Example:
        >>> Gaussian(sigma_w=2.0).weight_variance(n=3, n_prev=100)
        0.04
    """

    sigma_w: float | int = 1.0
    sigma_b: float | int = 0.0
    distribution: Distribution = field(default="normal", init=False, repr=False)

    def __post_init__(self) -> None:
        finite("sigma_w", self.sigma_w, low=0.0)
        finite("sigma_b", self.sigma_b, low=0.0)

    def weight_variance(self, n: int, n_prev: int) -> float:
        return float(self.sigma_w) ** 2 / n_prev
