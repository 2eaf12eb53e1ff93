"""What every initializer must do, asked of every room with its default arguments.

Rooms are discovered from the package folder. The oracle is tests/oracles/initializers.py.
"""

import importlib
import inspect
import math
import pkgutil

import pytest
import torch
from tests.oracles.initializers import VARIANCES

import experiments.initializers
from experiments.core.initializer import Initializer

MODULES = [
    importlib.import_module(f"experiments.initializers.{name}")
    for _, name, _ in pkgutil.iter_modules(experiments.initializers.__path__)
]
ROOMS = [
    cls
    for module in MODULES
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Initializer) and cls.__module__ == module.__name__
]
every_room = pytest.mark.parametrize("room", ROOMS)
every_shape = pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 4), (4, 6), (64, 64)], ids=str)


def generator(seed=0):
    """A fresh stream."""
    return torch.Generator().manual_seed(seed)


def within_five_errors(sample: torch.Tensor, promised: float) -> bool:
    """Whether the mean square agrees with the promise, by the sample's own standard error."""
    squares = sample.double().square()
    error = squares.std() / math.sqrt(squares.numel())
    return abs(float(squares.mean()) - promised) <= 5 * float(error) + 1e-12


@every_room
@every_shape
def test_draws_have_the_asked_shape_in_float64(room, shape) -> None:
    """A weight is (n_l, n_{l-1}), a bias (n_l,), both finite float64 on the CPU."""
    weight, bias = room().weight(*shape, generator()), room().bias(*shape, generator())
    assert weight.shape == shape
    assert bias.shape == shape[:1]
    for drawn in (weight, bias):
        assert drawn.dtype == torch.float64
        assert drawn.device.type == "cpu"
        assert drawn.isfinite().all()


@every_room
@pytest.mark.parametrize("shape", [(400, 250), (250, 400), (300, 300)], ids=str)
def test_a_large_draw_keeps_the_promised_variance(room, shape) -> None:
    """The mean square of 10^5 weights and biases is the promise, within five standard errors."""
    initializer, draws = room(), generator()
    assert within_five_errors(
        initializer.weight(*shape, draws), initializer.weight_variance(*shape)
    )
    biases = torch.stack([initializer.bias(*shape, draws) for _ in range(300)])
    assert within_five_errors(biases, initializer.bias_variance(*shape))


@every_room
@every_shape
def test_the_promise_is_the_published_one(room, shape) -> None:
    """weight_variance and bias_variance are the formulas of the papers."""
    promised = room().weight_variance(*shape), room().bias_variance(*shape)
    assert promised == pytest.approx(VARIANCES[room.__name__](*shape), rel=1e-15)


@every_room
def test_a_draw_depends_on_its_generator_alone(room) -> None:
    """Equal generators, equal numbers, whatever torch's default type, device and global stream are."""
    first = room().weight(5, 4, generator(3)), room().bias(5, 4, generator(3))
    before = torch.random.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            second = room().weight(5, 4, generator(3)), room().bias(5, 4, generator(3))
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(before, torch.random.get_rng_state())


@every_room
def test_seeds_differ_unless_nothing_is_random(room) -> None:
    """Two generators give two matrices, or all entries are one number."""
    one, other = room().weight(5, 4, generator(0)), room().weight(5, 4, generator(1))
    assert not torch.equal(one, other) or one.unique().numel() == 1


@every_room
def test_rooms_are_values(room) -> None:
    """Equal arguments make equal, hashable initializers that cannot be changed afterwards."""
    assert room() == room()
    assert hash(room()) == hash(room())
    with pytest.raises(AttributeError):
        room().sigma_b = 1.0
