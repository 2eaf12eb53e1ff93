"""CUDA graphs on the CPU: operators are remembered with their memory, and repeated on it.

What a real graph would get wrong goes wrong here too: a number that the host looked at, an input
that was not copied to where the capture found it, an operation that torch does not see, a step that
was captured and never replayed (a capture computes nothing, so what it wrote is undone).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: operators whose answer the host waits for: no capture survives one
WAITING = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "_unique2")


class EmulatedGraph:
    """Stands in for ``torch.cuda.CUDAGraph``."""

    def __init__(self) -> None:
        self.launched: list[Callable[[], None]] = []

    def replay(self) -> None:
        """Launch every operator again, on the memory of the capture."""
        for launch in self.launched:
            launch()


class _Capture(TorchDispatchMode):
    def __init__(self, graph: EmulatedGraph) -> None:
        super().__init__()
        self.graph = graph
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def undo(self) -> None:
        """Write back what was in every memory before the capture wrote to it."""
        for memory, kept in self.before.values():
            memory.copy_(kept)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        assert not _waits(func, args, kwargs), f"the host waits for {func}"
        for tensor in written(func, args, kwargs):
            memory = memory_of(tensor).untyped_storage()
            if memory.data_ptr() not in self.before:
                self.before[memory.data_ptr()] = memory, memory.clone()
        results = func(*args, **kwargs)

        def launch() -> None:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(results), tree_leaves(again), strict=True):
                if not isinstance(old, torch.Tensor):
                    continue
                if memory_of(old).data_ptr() != memory_of(new).data_ptr():
                    old.copy_(new)

        self.graph.launched.append(launch)
        return results


@contextmanager
def capturing(graph: EmulatedGraph) -> Iterator[None]:
    """Stands in for ``torch.cuda.graph``: what is launched inside is remembered."""
    with _Capture(graph) as capture:
        yield
    capture.undo()


def _waits(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether the host waits for the operator: for a number, a count, or a transfer."""
    name = func.overloadpacket.__name__
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    if name in ("index", "index_put_"):
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors[1:])
    if name == "_to_copy" and kwargs.get("device") is not None:
        return _is_on_device(tensors[0]) != (torch.device(kwargs["device"]).type == "cuda")
    if name == "copy_":
        return _is_on_device(tensors[0]) != _is_on_device(tensors[1])
    return name in WAITING


def _is_on_device(tensor: torch.Tensor) -> bool:
    return hasattr(tensor, "held")


def written(func: Any, args: Any, kwargs: Any) -> Iterator[torch.Tensor]:
    """The arguments that an operator changes."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            given = args[place] if place < len(args) else kwargs.get(argument.name)
            yield from (leaf for leaf in tree_leaves(given) if isinstance(leaf, torch.Tensor))


def memory_of(argument: Any) -> Any:
    """The tensor whose memory it is, for one of the emulated device; anything else as it is."""
    return getattr(argument, "held", argument)
