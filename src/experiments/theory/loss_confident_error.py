r"""delta of every logit of a softmax if a wrong class leads by a margin m and all others are equal.

With K classes, the leading wrong class has the probability P = e^m / (e^m + K - 1), and every other class,
including the right one, q = 1 / (e^m + K - 1)::

    delta of            the leader    the right class                         another class
    cross-entropy       P             -(P + (K-2) q)                          q
    half squared error  K P^2 q       -q [P (2 P + (K-2) q) + (K-2) q]        q [q (1 + P) - P^2]
    absolute error      2 q P         -2 q (P + (K-2) q)                      2 q^2

As m grows, P tends to 1 and q to e^-m. delta of cross-entropy tends to (1, -1, 0, ...), delta of the other
two to 0: the more confident the error, the smaller their gradient.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from experiments.core.errors import ConfigurationError, describe

Array = Float[np.ndarray, "*margins"]


@dataclass(frozen=True)
class Pull:
    """delta at the leading class, at the right class and at each other class, and its Euclidean norm."""

    leader: Array
    right: Array
    other: Array
    norm: Array


@dataclass(frozen=True)
class ConfidentError:
    """delta of three losses on a softmax."""

    cross_entropy: Pull
    half_squared_error: Pull
    absolute_error: Pull


def confident_error(margin: Array, classes: int) -> ConfidentError:
    """delta^[L] of three losses as a function of the margin of a wrong class.

    Args:
        margin: m, by which the logit of the wrong class exceeds the others; may be negative.
        classes: K, at least 2.

    Raises:
        ConfigurationError: for fewer than two classes.

    Example:
        >>> error = confident_error(np.array([0.0, 20.0]), classes=2)
        >>> error.cross_entropy.leader.round(6), error.half_squared_error.leader.round(6)
        (array([0.5, 1. ]), array([0.25, 0.  ]))
    """
    if classes < 2:
        raise ConfigurationError(
            describe(f"classes={classes}", "at least 2", "one class is never confused with another")
        )
    others = classes - 1
    P = expit(margin - np.log(others))
    q = expit(np.log(others) - margin) / others
    wrong = P + (others - 1) * q  # the probability of all wrong classes

    def pull(leader: Array, right: Array, other: Array) -> Pull:
        norm = np.sqrt(leader**2 + right**2 + (classes - 2) * other**2)
        return Pull(leader, right, other, norm)

    return ConfidentError(
        cross_entropy=pull(P, -wrong, q),
        half_squared_error=pull(
            classes * P**2 * q,
            -q * (P * (P + wrong) + (classes - 2) * q),
            q * (q * (1 + P) - P**2),
        ),
        absolute_error=pull(2 * q * P, -2 * q * wrong, 2 * q**2),
    )
