"""He, also called Kaiming: LeCun's variance, corrected for the half of the signal that a ReLU removes.

::

    Var W_jk = 2 / ((1 + s^2) n_{l-1}),   s the slope for z < 0 (0 for ReLU)

For z symmetric about 0, E sigma(z)^2 = (1 + s^2)/2 E z^2, so the mean square of z stays the same
from layer to layer, and so does that of delta between layers of equal width.

References:
    He, Zhang, Ren & Sun (2015), eq. 10 and 15, the forward ("fan-in") form.
"""

from dataclasses import dataclass

from experiments.core.finite import finite
from experiments.core.initializer import Distribution, ScaledInitializer, require_distribution


@dataclass(frozen=True)
class He(ScaledInitializer):
    """Weights of variance 2 / ((1 + negative_slope^2) n_{l-1}).

    Args:
        distribution: ``"normal"`` as published, or ``"uniform"`` with the same variance.
        negative_slope: slope s of a leaky ReLU below zero; 0 for ReLU.
        sigma_b: standard deviation of one bias; 0, as published, sets all biases to zero.

    Raises:
        ConfigurationError: for an unknown distribution, or a scale that is negative or not finite.

    Example:
        >>> He().weight_variance(n=30, n_prev=10), He(negative_slope=1.0).weight_variance(30, 10)
        (0.2, 0.1)
    """

    distribution: Distribution = "normal"
    negative_slope: float | int = 0.0
    sigma_b: float | int = 0.0

    def __post_init__(self) -> None:
        require_distribution(self.distribution)
        finite("negative_slope", self.negative_slope, low=0.0)
        finite("sigma_b", self.sigma_b, low=0.0)

    def weight_variance(self, n: int, n_prev: int) -> float:
        return 2.0 / ((1.0 + float(self.negative_slope) ** 2) * n_prev)
