r"""The factor a layer on the norm of one example's gradient, at a finite width.

Mean field multiplies the mean square by chi. On average the logarithm of one draw's norm grows by less; to
the first order in 1 / n (``theory.profile``) the factor is::

    sqrt(chi) exp(-V / 4),    V = (3 mu_2 / mu_1^2 - 1) / n,    mu_k = E[phi'(u)^(2k)],  u ~ N(0, q)

V is 5 / n for ReLU and 2 / n for a linear layer. The norm over a batch has the same factor where the
examples are parallel, and up to sqrt(chi) where they differ.

References:
    Hanin & Nica (2020), theorem 1, for ReLU.
"""

import math

from experiments.core.activation import Activation
from experiments.theory import finite_width

#: q beyond which every activation is at its limit, and quadrature still works
FAR = 1e12


def log_variance(activation: Activation, q: float, width: int) -> float:
    """V, what one layer adds to the variance of ln ||delta||^2.

    >>> from experiments.activations import Identity, ReLU
    >>> round(log_variance(ReLU(), 1.0, 50), 12), round(log_variance(Identity(), 1.0, 50), 12)
    (0.1, 0.04)
    """
    return (3 * finite_width.spectrum_spread(activation, min(q, FAR), 1) - 1) / width


def kept_by_one(limit: float, activation: Activation, q: float, width: int) -> float:
    """sqrt(chi) exp(-V / 4), with ``limit`` = sqrt(chi).

    >>> from experiments.activations import ReLU
    >>> round(kept_by_one(1.0, ReLU(), 1.0, 64), 5)
    0.98066
    """
    return limit * math.exp(-log_variance(activation, q, width) / 4)
