"""A call as a CUDA graph, so that a deep, narrow network does not wait for its kernels to be launched."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, final

import torch
from torch import Tensor

Result = TypeVar("Result")


@final
class Captured(Generic[Result]):
    """A call whose kernels are captured once, and replayed on other inputs.

    The first call runs as it is: libraries choose their kernels, and memory that outlives a call is
    allocated. The second is captured, which runs nothing, and then replayed like every later one.
    What the call changes, it changes at every replay.

    Args:
        call: launches the same kernels on the same memory every time, without reading a number on the
            host. Inputs always have the same shapes.
    """

    def __init__(self, call: Callable[[Tensor, Tensor], Result]) -> None:
        self._call = call
        self._inputs: tuple[Tensor, Tensor] | None = None
        self._replay: Callable[[], Result] | None = None

    def __call__(self, x: Tensor, t: Tensor) -> Result:
        """The result, in memory that the next call overwrites."""
        if self._inputs is None:
            self._inputs = x.clone(), t.clone()
            return self._call(x, t)
        for home, given in zip(self._inputs, (x, t), strict=True):
            home.copy_(given)
        if self._replay is None:
            self._replay = _capture(self._call, *self._inputs)
        return self._replay()


def _capture(
    call: Callable[[Tensor, Tensor], Result], x: Tensor, t: Tensor
) -> Callable[[], Result]:
    graph = torch.cuda.CUDAGraph()
    with _no_collector(), torch.cuda.graph(graph):
        result = call(x, t)

    def replay() -> Result:
        graph.replay()
        return result

    return replay


@contextmanager
def _no_collector() -> Iterator[None]:
    """Collect garbage now, and none inside: a dead graph that is freed during a capture invalidates it."""
    enabled = gc.isenabled()
    gc.collect()  # torch >= 2.9 leaves this to its user
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
