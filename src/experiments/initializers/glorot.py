"""Glorot, also called Xavier: a compromise between the forward and the backward pass.

::

    Var W_jk = 2 / (n_{l-1} + n_l)
    uniform:  W_jk ~ U(-r, r),   r = sqrt(6 / (n_{l-1} + n_l))

At slope 1, activations keep their variance if n_{l-1} Var W = 1, and deltas if n_l Var W = 1; this is the
harmonic mean of the two variances. It assumes sigma'(0) = 1, which holds for tanh. The
slope of a sigmoid is 1/4 at 0 and less elsewhere: its gradient vanishes even with weights 4 times as
large.

References:
    Glorot & Bengio (2010), eq. 12 and 16 ("normalized initialization").
"""

from dataclasses import dataclass

from experiments.core.finite import finite
from experiments.core.initializer import Distribution, ScaledInitializer, require_distribution


@dataclass(frozen=True)
class Glorot(ScaledInitializer):
    """Weights of variance 2 / (n_{l-1} + n_l).

    Args:
        distribution: ``"uniform"`` as published, or ``"normal"`` with the same variance.
        sigma_b: standard deviation of one bias; 0, as published, sets all biases to zero.

    Raises:
        ConfigurationError: for an unknown distribution, or a scale that is negative or not finite.

    Example:
        >>> Glorot().weight_variance(n=30, n_prev=10)
        0.05
    """

    distribution: Distribution = "uniform"
    sigma_b: float | int = 0.0

    def __post_init__(self) -> None:
        require_distribution(self.distribution)
        finite("sigma_b", self.sigma_b, low=0.0)

    def weight_variance(self, n: int, n_prev: int) -> float:
        return 2.0 / (n_prev + n)
