r"""The pull on every logit of a softmax when a wrong class leads by a margin m, all others level.

With K classes, P = e^m / (e^m + K - 1) for the leader and q = 1 / (e^m + K - 1) for each other class,
the right one among them::

    delta of            the leader    the right class                         another class
    cross-entropy       P             -(P + (K-2) q)                          q
    half squared error  K P^2 q       -q [P (2 P + (K-2) q) + (K-2) q]        q [q (1 + P) - P^2]
    absolute error      2 q P         -2 q (P + (K-2) q)                      2 q^2

As m grows P tends to 1 and q to e^-m: cross-entropy ends at (1, -1, 0, ...), the other two at 0. The
more certain the error, the less they mind.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from experiments.core.errors import ConfigurationError, describe

Array = Float[np.ndarray, "*margins"]


@dataclass(frozen=True)
class Pull:
    """delta at the leader, at the right class and at each other class, and its Euclidean norm."""

    leader: Array
    right: Array
    other: Array
    norm: Array


@dataclass(frozen=True)
class ConfidentError:
    """The pull of three losses on a softmax."""

    cross_entropy: Pull
    half_squared_error: Pull
    absolute_error: Pull


def confident_error(margin: Array, classes: int) -> ConfidentError:
    """delta^[L] of three losses against the margin of a wrong class.

    Args:
        margin: m, logits by which the wrong class leads; negative: it trails.
        classes: K, from 2.

    Raises:
        ConfigurationError: for fewer than two classes.

    Example:
        >>> found = confident_error(np.array([0.0, 20.0]), classes=2)
        >>> found.cross_entropy.leader.round(6), found.half_squared_error.leader.round(6)
        (array([0.5, 1. ]), array([0.25, 0.  ]))
    """
    if classes < 2:
        raise ConfigurationError(
            describe(f"classes={classes}", "at least 2", "one class is never confused with another")
        )
    others = classes - 1
    lead = expit(margin - np.log(others))
    each = expit(np.log(others) - margin) / others
    wrong = lead + (others - 1) * each

    def pull(leader: Array, right: Array, other: Array) -> Pull:
        norm = np.sqrt(leader**2 + right**2 + (classes - 2) * other**2)
        return Pull(leader, right, other, norm)

    return ConfidentError(
        cross_entropy=pull(lead, -wrong, each),
        half_squared_error=pull(
            classes * lead**2 * each,
            -each * (lead * (lead + wrong) + (classes - 2) * each),
            each * (each * (1 + lead) - lead**2),
        ),
        absolute_error=pull(2 * each * lead, -2 * each * wrong, 2 * each**2),
    )
