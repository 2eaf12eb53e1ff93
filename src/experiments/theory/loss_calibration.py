r"""Proper losses: which losses are minimised by the true probabilities, and which are not.

A network that minimises the expected cost under the true conditional probabilities pi predicts

    p*(pi) = argmin_p sum_y pi_y C(p, y),     proper:  p*(pi) = pi for all pi

    half squared error   E C = 1/2 |p - pi|^2 + 1/2 (1 - |pi|^2)      proper
    cross-entropy        E C = KL(pi || p) + entropy(pi)              proper
    absolute error       E C = 2 sum_y pi_y (1 - p_y)                 not: all on the likeliest class
    focal                p* is flatter than pi                        not
    smoothed             p* = (1 - e) pi + e / K                      not: pulled to the middle

So squared error and cross-entropy have the same minimum, on a sigmoid and on a softmax; only the path to it
differs. This holds for a network that can represent any prediction. A small network, or one whose training
was stopped, can be far from its minimum; calibration measures how far.

References:
    Gneiting & Raftery, Strictly Proper Scoring Rules, Prediction, and Estimation (2007);
    Charoenphakdee et al., On Focal Loss for Class-Posterior Probability Estimation (2021).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize
from scipy.special import expit, softmax

from experiments.core.errors import ConfigurationError, describe
from experiments.theory.loss_geometry import GRID, Head, at

Shares = Float[np.ndarray, " n_out"]
#: costs of all classes, from the probabilities
CostsOfClasses = Callable[[Shares], Shares]


def asked_for(head: Head, share: float) -> float:
    """p*(pi), the prediction that minimises the expected cost of a sigmoid head.

    Args:
        head: a sigmoid head of ``loss_geometry``.
        share: pi, the true probability of a yes, in (0, 1).

    Returns:
        The probability of a yes at the best logit; 0 or 1 if the cost has no minimum, or if that logit is
            beyond 40 (a probability within 4e-18 of 0 or 1).

    Raises:
        ConfigurationError: for a share outside (0, 1).

    Example:
        >>> from experiments.theory.loss_geometry import absolute_on_sigmoid, half_squared_on_sigmoid
        >>> round(asked_for(half_squared_on_sigmoid(), 0.3), 12), asked_for(absolute_on_sigmoid(), 0.3)
        (0.3, 0.0)
    """
    if not 0 < share < 1:
        raise ConfigurationError(
            describe(f"share={share}", "a probability in (0, 1)", "use for instance 0.3")
        )

    def slope(z: float) -> float:
        return (1 - share) * at(head.slope, z) - share * at(head.slope, -z)

    rising = (1 - share) * head.slope(GRID) > share * head.slope(-GRID)
    turns = np.flatnonzero(~rising[:-1] & rising[1:])
    if not turns.size:
        return 0.0 if rising.all() else 1.0
    minima = [float(brentq(slope, GRID[k], GRID[k + 1], xtol=1e-14)) for k in turns]
    costs = [(1 - share) * at(head.cost, z) + share * at(head.cost, -z) for z in minima]
    return float(expit(minima[int(np.argmin(costs))]))


def half_squared_costs(p: Shares) -> Shares:
    """1/2 |p - y|^2 for every class y."""
    costs: Shares = (p @ p + 1) / 2 - p
    return costs


def cross_entropy_costs(p: Shares) -> Shares:
    """-log p_y for every class y."""
    costs: Shares = -np.log(p)
    return costs


def asked_for_of_softmax(costs: CostsOfClasses, shares: Shares) -> Shares:
    """p*(pi) of a softmax over several classes, by numerical minimisation over the logits.

    The search stops where the expected cost is flat up to rounding; the result is accurate to about 1e-4.

    Args:
        costs: the cost of each class as a function of the probabilities, such as ``half_squared_costs``.
        shares: pi, positive numbers with sum one.

    Raises:
        ConfigurationError: if the shares are not positive or do not sum to one.

    Example:
        >>> asked_for_of_softmax(half_squared_costs, np.array([0.5, 0.3, 0.2])).round(5)
        array([0.5, 0.3, 0.2])
    """
    if not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ConfigurationError(
            describe(
                f"shares={shares}", "positive numbers with sum one", "divide them by their sum"
            )
        )

    def expected(z: Shares) -> float:
        return float(shares @ costs(softmax(z)))

    minimum = minimize(expected, np.zeros_like(shares), method="BFGS", options={"gtol": 1e-9})
    return np.asarray(softmax(minimum.x))
