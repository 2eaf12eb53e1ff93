"""Learning times of deep linear networks: published values, and gradient descent step by step."""

import math

import pytest

from experiments.core.errors import ConfigurationError
from experiments.theory.deep_linear import learning_time


def descend(layers: int, target: float, start: float, reached: float, step: float) -> float:
    """Gradient descent on 1/2 (s - w^D)^2 with equal layers; step times the number of steps."""
    w, steps = start ** (1 / layers), 0
    while w**layers < reached:
        w += step * w ** (layers - 1) * (target - w**layers)
        steps += 1
    return step * steps


@pytest.mark.parametrize(("share", "published"), [(0.5, 1.3343390298), (0.95, 1.8250788597)])
def test_one_hidden_layer_takes_the_published_time(share: float, published: float) -> None:
    """s = 3, u_0 = 1e-3: ten digits, and descent with step 1e-4 arrives within 1e-3 of it."""
    found = learning_time(3.0, 1e-3, share * 3)
    assert found == pytest.approx(published, abs=1e-10)
    assert descend(2, 3.0, 1e-3, share * 3, 1e-4) == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_other_depths_take_the_time_of_gradient_descent(layers: int) -> None:
    """D = 1, 3, 5 from 0.01 to 90 % of the target, within 1e-3 of descent; tau only scales."""
    found = learning_time(2.0, 0.01, 1.8, layers)
    assert descend(layers, 2.0, 0.01, 1.8, 1e-4) == pytest.approx(found, rel=1e-3)
    assert learning_time(2.0, 0.01, 1.8, layers, tau=7.0) == pytest.approx(7 * found)


@pytest.mark.parametrize("layers", [2, 3, 6])
def test_a_plateau_is_as_long_as_the_module_says(layers: int) -> None:
    """From u_0 = 1e-8 to a tenth of s = 2: logarithmic for D = 2, a power of u_0 above, within 15 %."""
    s, start = 2.0, 1e-8
    plateau = (
        math.log(s / start) / (2 * s)
        if layers == 2
        else start ** (2 / layers - 1) / ((layers - 2) * s)
    )
    assert learning_time(s, start, s / 10, layers) == pytest.approx(plateau, rel=0.15)


def test_a_mode_that_cannot_move_is_refused() -> None:
    """Starts of 0 and targets that are never reached are named."""
    with pytest.raises(ConfigurationError, match="start above 0"):
        learning_time(3.0, 0.0, 1.0)
    with pytest.raises(ConfigurationError, match="reached=3"):
        learning_time(3.0, 0.1, 3.0)
