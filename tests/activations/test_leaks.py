"""A thousand passes leave nothing behind."""

import gc
from pathlib import Path

import pytest
import torch
from tests.activations.rooms import every_room

from experiments.activations import Sigmoid
from experiments.core.activation import Activation


def differentiate_twice(sigma: Activation, z: torch.Tensor) -> None:
    """Forward, backward, and the backward of the backward."""
    (slope,) = torch.autograd.grad(sigma(z).sum(), z, create_graph=True)
    torch.autograd.grad(slope.sum(), z)


def live_tensors() -> int:
    """How many tensors the interpreter knows."""
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def tensors_left(sigma: Activation, passes: int) -> int:
    """Counted with the collector off, so that even a cycle of references is seen."""
    z = torch.linspace(-3, 3, 7, requires_grad=True)
    differentiate_twice(sigma, z)
    gc.collect()
    gc.disable()
    try:
        before = live_tensors()
        for _ in range(passes):
            differentiate_twice(sigma, z)
        return live_tensors() - before
    finally:
        gc.enable()


@every_room
def test_double_backwards_leave_no_tensor(sigma) -> None:
    """A backward and its backward drop everything they made, at once."""
    assert tensors_left(sigma, passes=30) == 0


@pytest.mark.slow
@every_room
def test_a_thousand_double_backwards_leave_no_tensor(sigma) -> None:
    """The same, a thousand times."""
    assert tensors_left(sigma, passes=1000) == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_a_thousand_double_backwards_leave_no_memory() -> None:
    """The process does not grow: one tensor left per pass would be 40 MB."""

    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    sigma, z = Sigmoid(), torch.linspace(-3, 3, 10_000, requires_grad=True)
    for _ in range(50):
        differentiate_twice(sigma, z)
    before = resident_bytes()
    for _ in range(1000):
        differentiate_twice(sigma, z)
    assert resident_bytes() - before < 20e6
