r"""The cost of a two-layer network as a function of one weight of each layer, and its plateaus.

::

    h = tanh(W1 x + b1),   z = W2 h + b2,   p = softmax(z)
    cross-entropy       C = -1/N sum log p_y
    half squared error  C = 1/N sum 1/2 |p - y|^2

Both costs are computed over (w1, w2), one entry of W1 and one of W2, with all other weights fixed. With
e = p - y, and delta = e for cross-entropy or delta = p * (e - p^T e) for half squared error, the slopes are

    dC/dw1 = 1/N sum (delta^T W2[:, 0]) (1 - h_0^2) x_0,    dC/dw2 = 1/N sum delta_0 h_0

Differences on the grid would be too coarse: a saturated softmax changes within 1/w2, less than a grid step.
On the same random signals, squared error is bounded by 1 and flat wherever the softmax is saturated, while
cross-entropy is steep there.

References:
    Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks (2010),
    section 4.1 and figure 5.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from experiments.core.errors import ConfigurationError, describe

Axis1 = Float[np.ndarray, " first"]
Axis2 = Float[np.ndarray, " second"]
Grid = Float[np.ndarray, "first second"]


@dataclass(frozen=True)
class TwoLayers:
    """A tanh network with one hidden layer, and its examples."""

    W1: Float[np.ndarray, "hidden n_in"]
    b1: Float[np.ndarray, " hidden"]
    W2: Float[np.ndarray, "n_out hidden"]
    b2: Float[np.ndarray, " n_out"]
    x: Float[np.ndarray, "examples n_in"]
    y: Int[np.ndarray, " examples"]


@dataclass(frozen=True)
class Surface:
    """Both costs on the grid (w1, w2), mean over the examples, and the norms of their gradients."""

    w1: Axis1
    w2: Axis2
    cross_entropy: Grid
    half_squared_error: Grid
    cross_entropy_slope: Grid
    half_squared_error_slope: Grid


def random_signals(
    n_in: int = 10, hidden: int = 10, n_out: int = 2, examples: int = 100, seed: int = 0
) -> TwoLayers:
    """Random weights (uniform, Glorot's range), inputs N(0, 1) and random classes.

    Raises:
        ConfigurationError: for a size below 1, or fewer than two classes.
    """
    if min(n_in, hidden, examples) < 1 or n_out < 2:
        raise ConfigurationError(
            describe(
                f"n_in={n_in}, hidden={hidden}, n_out={n_out}, examples={examples}",
                "sizes from 1, and at least two classes",
                "increase the values that are too small",
            )
        )
    draw = np.random.default_rng(seed)

    def glorot(n: int, n_prev: int) -> Float[np.ndarray, "{n} {n_prev}"]:
        bound = np.sqrt(6 / (n + n_prev))
        return draw.uniform(-bound, bound, (n, n_prev))

    return TwoLayers(
        W1=glorot(hidden, n_in),
        b1=np.zeros(hidden),
        W2=glorot(n_out, hidden),
        b2=np.zeros(n_out),
        x=draw.standard_normal((examples, n_in)),
        y=draw.integers(n_out, size=examples),
    )


def loss_surface(net: TwoLayers, w1: Axis1, w2: Axis2) -> Surface:
    """Both costs with W1[0, 0] = w1 and W2[0, 0] = w2, all other weights as they are.

    Example:
        >>> axis = np.array([-4.0, 0.0, 4.0])
        >>> surface = loss_surface(random_signals(), axis, axis)
        >>> surface.cross_entropy.shape, bool((surface.half_squared_error <= 1).all())
        ((3, 3), True)
    """
    z1 = net.x @ net.W1.T + net.b1
    rest = net.x @ net.W1[0] - net.x[:, 0] * net.W1[0, 0] + net.b1[0]
    h = np.tanh(z1)
    first = np.tanh(rest + w1[:, None] * net.x[:, 0])  # (first, examples)
    others = h[:, 1:] @ net.W2[:, 1:].T + net.b2  # (examples, n_out)
    column = np.broadcast_to(net.W2[:, 0], (len(w2), len(net.b2))).copy()
    column[:, 0] = w2  # (second, n_out)
    z = others + first[:, None, :, None] * column[:, None, :]  # (first, second, examples, n_out)
    z -= z.max(-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    rows = np.eye(len(net.b2))[net.y]
    p = np.exp(log_p)
    error = p - rows
    dh_dw1 = ((1 - first**2) * net.x[:, 0])[:, None]

    def slope(delta: Float[np.ndarray, "first second examples n_out"]) -> Grid:
        along_w1 = (delta @ column[:, :, None])[..., 0] * dh_dw1
        along_w2 = delta[..., 0] * first[:, None]
        norm: Grid = np.hypot(along_w1.mean(-1), along_w2.mean(-1))
        return norm

    return Surface(
        w1=w1,
        w2=w2,
        cross_entropy=-(log_p * rows).sum(-1).mean(-1),
        half_squared_error=(error**2).sum(-1).mean(-1) / 2,
        cross_entropy_slope=slope(error),
        half_squared_error_slope=slope(p * (error - (p * error).sum(-1, keepdims=True))),
    )


def flat_share(cost: Grid, slope: Grid, below: float) -> float:
    """The share of the grid on which the slope is less than ``below`` times the range of the cost.

    The range is a unit in which two costs can be compared, and with it the share does not depend on the
    grid. The steepest slope is not such a unit, because a finer grid finds steeper slopes.

    Example:
        >>> surface = loss_surface(random_signals(), *2 * [np.linspace(-20, 20, 41)])
        >>> round(flat_share(surface.cross_entropy, surface.cross_entropy_slope, 0.005), 2)
        0.02
    """
    return float((slope < below * np.ptp(cost)).mean())
