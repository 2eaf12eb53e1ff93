r"""The critical initializer of any activation, and the distance of common initializers from it.

    sigma_w^2 = n_{l-1} Var W,    gradient norm per layer: sqrt(chi),    critical: chi = 1

``critical`` is the option ``initializer=critical``. It computes sigma_w from the theory, so that no table of
gains is needed. ``critical_orthogonal`` does the same for orthogonal weights.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.initializers import Gaussian, Orthogonal
from experiments.theory.criticality import NoCriticalPointError, critical_sigma_w
from experiments.theory.mean_field import FixedPoint, fixed_point
from experiments.theory.quadrature import Scale, ValueAndDerivative

#: Bias variances to try, in this order: the usual one for tanh networks, none (ReLU and similar functions
#: are critical only there), and two for functions that are critical only with large biases (GELU, SiLU).
BIAS_VARIANCES = (0.05, 0.0, 0.2, 1.0)
#: Number of layers that count as trainable in the mean field, in units of xi_c: the published rule of thumb.
TRAINABLE = 6.0


def critical(
    activation: ValueAndDerivative, sigma_b: Scale | None = None, ratio: Scale = 1.0
) -> Gaussian:
    """The Gaussian initializer at which chi = 1 for this activation, or one with another sigma_w^2.

    Args:
        activation: sigma of the hidden layers.
        sigma_b: standard deviation of a bias; None takes the first of sqrt(0.05), 0, sqrt(0.2), 1 at
            which a critical point exists.
        ratio: sigma_w^2 over its critical value, above 0; the phase is ordered below 1, chaotic above.

    Raises:
        NoCriticalPointError: if there is no critical point.
        ConfigurationError: if ``ratio`` is not a positive number.

    Example:
        >>> from experiments.activations import ReLU, Tanh
        >>> round(critical(ReLU()).sigma_w ** 2, 9), critical(ReLU()).sigma_b
        (2.0, 0.0)
        >>> round(critical(Tanh()).sigma_w ** 2, 9), round(critical(Tanh()).sigma_b ** 2, 9)
        (1.76095464, 0.05)
        >>> round(critical(Tanh(), ratio=2.0).sigma_w ** 2, 6)
        3.521909
    """
    if not 0 < ratio < math.inf:
        raise ConfigurationError(
            describe(
                f"ratio={ratio!r}", "a positive number", "give sigma_w^2 over the critical one"
            )
        )
    tried = [math.sqrt(v) for v in BIAS_VARIANCES] if sigma_b is None else [float(sigma_b)]
    for b in tried:
        try:
            sigma_w = math.sqrt(ratio) * critical_sigma_w(activation, b)
            return Gaussian(sigma_w=sigma_w, sigma_b=b)
        except NoCriticalPointError as error:
            last = error
    if sigma_b is not None:
        raise last
    raise NoCriticalPointError(
        describe(
            f"no critical point of {activation!r} at any sigma_b^2 of {BIAS_VARIANCES}",
            "an activation with one",
            "give sigma_b yourself, use initializer=gaussian, or choose another activation",
        )
    )


def critical_orthogonal(activation: ValueAndDerivative, sigma_b: Scale | None = None) -> Orthogonal:
    """The orthogonal initializer at which chi = 1: the critical sigma_w as the gain of a random rotation.

    Lengths and gradients evolve as with ``critical``; only the spread of the singular values of the
    Jacobian differs (``finite_width.spectrum_spread``).

    Raises:
        NoCriticalPointError: if there is no critical point.

    Example:
        >>> from experiments.activations import ReLU
        >>> round(critical_orthogonal(ReLU()).gain ** 2, 9)
        2.0

    References:
        Pennington, Schoenholz & Ganguli (2017).
    """
    gaussian = critical(activation, sigma_b)
    return Orthogonal(gain=gaussian.sigma_w, sigma_b=gaussian.sigma_b)


@dataclass(frozen=True)
class StartingPoint:
    """The position of an activation with an initializer on the phase diagram.

    Attributes:
        activation: name of the activation.
        initializer: name of the initializer.
        sigma_w: sqrt(n Var W) at equal widths n.
        sigma_b: standard deviation of a bias.
        point: the fixed point at (sigma_w, sigma_b).
        critical_sigma_w: the sigma_w with chi = 1 at the same sigma_b; None if there is none.
    """

    activation: str
    initializer: str
    sigma_w: float
    sigma_b: float
    point: FixedPoint
    critical_sigma_w: float | None

    @property
    def factor(self) -> float:
        """Factor on the gradient norm per layer."""
        return self.point.factor

    @property
    def trainable_depth(self) -> float:
        """6 xi_c, ``inf`` at criticality; where the length diverges, at most 6 |xi_gradient|."""
        point = self.point
        return TRAINABLE * (
            min(point.xi_c, abs(point.xi_gradient)) if point.diverges else point.xi_c
        )

    @property
    def distance(self) -> float:
        """sigma_w over its critical value; 1 is critical, 0 means that there is no critical value."""
        return 0.0 if self.critical_sigma_w is None else self.sigma_w / self.critical_sigma_w


def starting_points(
    activations: Mapping[str, ValueAndDerivative],
    initializers: Mapping[str, Initializer],
    width: int = 1000,
) -> list[StartingPoint]:
    """One row for every activation and initializer, in a network of equal widths.

    Example:
        With a sigmoid, the default of torch.nn.Linear (sigma_w^2 = 1/3) loses a factor 7 per layer:

        >>> from experiments.activations import Sigmoid
        >>> from experiments.initializers import TorchDefault
        >>> row = starting_points({"sigmoid": Sigmoid()}, {"torch": TorchDefault()}, 10**9)[0]
        >>> round(row.factor, 3)
        0.141
    """
    rows = list[StartingPoint]()
    for name, activation in activations.items():
        for kind, initializer in initializers.items():
            sigma_w = math.sqrt(width * initializer.weight_variance(width, width))
            sigma_b = math.sqrt(initializer.bias_variance(width, width))
            try:
                critical_value = critical_sigma_w(activation, sigma_b)
            except NoCriticalPointError:
                critical_value = None
            point = fixed_point(activation, sigma_w, sigma_b)
            rows.append(StartingPoint(name, kind, sigma_w, sigma_b, point, critical_value))
    return rows
