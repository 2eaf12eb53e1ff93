r"""Curvature of logistic regression: convex with cross-entropy, saddles with squared error.

With z = x . w (append a 1 to x for the bias), s = sigmoid(z) and N examples::

    H = 1/N sum_d c_d x_d x_d^T
    cross-entropy        c = s (1 - s)                                       always positive
    half squared error   c = s (1 - s) [s (1 - s) + (s - y)(1 - 2 s)]        negative where confidently wrong
    no link              c = 1                                               half squared error on z itself

The largest eigenvalue limits the learning rate (2 / largest), the smallest sets the pace. A negative
eigenvalue means that gradient descent moves away from the stationary point in this direction.

References:
    Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.3; Nielsen, ch. 3.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from experiments.core.errors import ConfigurationError, describe

Inputs = Float[np.ndarray, "examples n_in"]
Row = Float[np.ndarray, " examples"]
Weights = Float[np.ndarray, " n_in"]
Matrix = Float[np.ndarray, "n_in n_in"]


@dataclass(frozen=True)
class LogisticHessians:
    """The Hessians of one model at one point under three costs."""

    cross_entropy: Matrix
    half_squared_error: Matrix
    no_link: Matrix


def logistic_hessians(
    x: Inputs, y: Float[np.ndarray, " targets"], w: Float[np.ndarray, " weights"]
) -> LogisticHessians:
    """The Hessians of the mean cost in the weights.

    Args:
        x: inputs, one example a row.
        y: targets in [0, 1].
        w: the weights at which the Hessians are computed.

    Raises:
        ConfigurationError: for shapes that do not match, or targets outside [0, 1].

    Example:
        One example, on the wrong side by 4: cross-entropy is convex there, squared error concave.

        >>> hessians = logistic_hessians(np.ones((1, 1)), np.zeros(1), np.array([4.0]))
        >>> round(hessians.cross_entropy.item(), 4), round(hessians.half_squared_error.item(), 4)
        (0.0177, -0.0164)
    """
    if x.shape != (len(y), len(w)) or not ((y >= 0) & (y <= 1)).all():
        raise ConfigurationError(
            describe(
                f"x {x.shape}, y {y.shape}, w {w.shape}",
                "x (examples, n_1), y (examples,) in [0, 1], w (n_1,)",
                "pass one row for each example",
            )
        )
    z = x @ w
    s, r = expit(z), expit(-z)
    residual = s * (1 - y) - y * r

    def weighted(c: Row) -> Matrix:
        mean: Matrix = (x * c[:, None]).T @ x / len(y)
        return mean

    return LogisticHessians(
        cross_entropy=weighted(s * r),
        half_squared_error=weighted(s * r * (s * r + residual * (r - s))),
        no_link=weighted(np.ones_like(y)),
    )


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues in rising order, the number of negative ones, and what follows for gradient descent."""

    eigenvalues: Weights
    negative: int
    largest_lr: float
    condition: float


def spectrum(hessian: Matrix) -> Spectrum:
    """Eigenvalues of a Hessian, and the largest stable learning rate of gradient descent, 2 / largest.

    ``condition`` is largest / smallest, or inf if the smallest is not positive; the number of steps grows
    with it. ``largest_lr`` is inf if no eigenvalue is positive.

    Example:
        >>> spectrum(np.diag([4.0, 1.0]))
        Spectrum(eigenvalues=array([1., 4.]), negative=0, largest_lr=0.5, condition=4.0)
    """
    eigenvalues = np.linalg.eigvalsh(hessian)
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    return Spectrum(
        eigenvalues=eigenvalues,
        negative=int((eigenvalues < 0).sum()),
        largest_lr=2 / high if high > 0 else float("inf"),
        condition=high / low if low > 0 else float("inf"),
    )
