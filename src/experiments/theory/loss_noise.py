r"""Label noise: which losses keep their minimum.

With K classes, if each label is replaced with probability eta by one of the K - 1 others, the risk that
training minimises is

    R_noisy = (1 - eta) R + eta / (K - 1) E[ sum_{k != y} C(f, k) ]
            = (1 - eta K / (K - 1)) R + eta / (K - 1) E[ sum_k C(f, k) ]

If the loss is symmetric, that is, sum_k C(f, k) = c for all outputs, the last term is constant. R_noisy is
then R scaled and shifted, with the same minimum, as long as eta < (K - 1) / K.

    on a softmax         sum over the classes
    absolute error       2 (K - 1)                                symmetric
    squared error        K |p|^2 + K - 2, in [K - 1, 2 K - 2]     within a factor 2 of it
    cross-entropy        -sum_k log p_k                           without bound

References:
    Ghosh, Kumar & Sastry, Robust Loss Functions under Label Noise for Deep Neural Networks (2017).
"""

import numpy as np
from jaxtyping import Float, Int

from experiments.core.errors import ConfigurationError, describe

Costs = Float[np.ndarray, "examples n_out"]
Labels = Int[np.ndarray, " examples"]


def noisy_risk(costs: Costs, y: Labels, eta: float | int) -> float:
    """The expected mean cost under labels that are wrong with probability eta, for any loss.

    Args:
        costs: C(f(x), k) for every example and every class k.
        y: the correct labels.
        eta: the share of wrong labels, in [0, 1].

    Raises:
        ConfigurationError: for an eta outside [0, 1], or fewer than two classes.

    Example:
        >>> noisy_risk(np.array([[0.0, 1.0, 3.0]]), np.array([0]), eta=0.5)
        1.0
    """
    _require_share(eta)
    _require_classes(costs.shape[1])
    clean = np.take_along_axis(costs, y[:, None], axis=1)[:, 0]
    wrong = (costs.sum(axis=1) - clean) / (costs.shape[1] - 1)
    return float(((1 - eta) * clean + eta * wrong).mean())


def noisy_risk_of_symmetric(
    clean: float | int, total: float | int, eta: float | int, classes: int
) -> float:
    """R_noisy from R alone, for a loss whose costs over all classes sum to ``total``.

    Raises:
        ConfigurationError: for an eta outside [0, 1], or fewer than two classes.

    Example:
        Absolute error on three classes, with half of the labels wrong.

        >>> noisy_risk_of_symmetric(clean=0.4, total=4.0, eta=0.5, classes=3)
        1.1
    """
    _require_share(eta)
    return (1 - eta / tolerated(classes)) * clean + eta * total / (classes - 1)


def tolerated(classes: int) -> float:
    """The share of wrong labels below which a symmetric loss keeps its minimum: (K - 1) / K.

    Raises:
        ConfigurationError: for fewer than two classes.

    Example:
        >>> tolerated(10)
        0.9
    """
    _require_classes(classes)
    return (classes - 1) / classes


def asymmetry(costs: Costs) -> float:
    """How far a loss is from symmetric: the spread of sum_k C over the outputs, relative to its mean.

    Example:
        >>> asymmetry(np.array([[0.0, 2.0], [1.5, 0.5]]))
        0.0
    """
    totals = costs.sum(axis=1)
    return float((totals.max() - totals.min()) / totals.mean())


def _require_classes(classes: int) -> None:
    if classes < 2:
        raise ConfigurationError(
            describe(f"classes={classes}", "at least 2", "with one class no label can be wrong")
        )


def _require_share(eta: float | int) -> None:
    if not 0 <= eta <= 1:
        raise ConfigurationError(
            describe(f"eta={eta}", "a share in [0, 1]", "use for instance 0.4")
        )
