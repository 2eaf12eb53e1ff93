"""A GPU on the CPU: its tensors say that they are on ``cuda:0``, and keep their numbers in the host's memory.

What a device would refuse is refused: an operator on tensors of the host and of the device, and
NumPy on the device's memory. Kernels, streams, generators, autocast and ``torch.func`` are not emulated.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.training.emulated_graph import EmulatedGraph, capturing, memory_of, written
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
#: operators between the two memories
COPYING = ("copy_", "_to_copy")
#: operators that take no number of the host's, which others take as an argument of their kernel
STRICT = ("cat", "stack")
#: what torch answers in C++, where the tensor is a meta tensor
ANSWERS = {"device": CUDA, "is_cuda": True, "is_meta": False}


class OnDevice(torch.Tensor):
    """A tensor on the device; ``held`` is its memory."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "OnDevice":
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        # in C++ a meta tensor: torch without CUDA cannot guard a device
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, **layout, dtype=held.dtype, device="meta"
        )
        made.held = held
        return made

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        """With this torch lets a module's parameters become tensors of this class."""
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(parts: Any, _: Any, size: Any, stride: Any) -> "OnDevice":
        return OnDevice(parts["held"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _operate(func, args, kwargs or {})

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        attribute = getattr(getattr(func, "__self__", None), "__name__", "")
        if func.__name__ == "__get__" and attribute in ANSWERS:
            return ANSWERS[attribute]
        if func.__name__ == "__set__" and attribute == "data":
            args[0].held = args[1].held
            return None
        if func.__name__ in ("data_ptr", "untyped_storage"):
            return getattr(args[0].held, func.__name__)()
        if func.__name__ == "tolist":
            return args[0].cpu().tolist()
        if func.__name__ in ("numpy", "__array__"):
            raise TypeError("NumPy on the memory of a device")
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


class _Operators(TorchDispatchMode):
    """For operators that make a tensor on the device out of nothing or of the host's."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _operate(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """Calls that torch would answer with a meta tensor, or not at all, before it reaches an operator."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.device:
            return func(*args, **kwargs)
        args = [_numbered(argument) for argument in args]
        kwargs = {name: _numbered(value) for name, value in kwargs.items()}
        if func is torch.Tensor.cuda:
            return args[0].to(CUDA)
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == CUDA:
            there = isinstance(args[0], OnDevice)
            return func(*args, **kwargs | {"device": None if there else "cpu"}).to(CUDA)
        if args and isinstance(args[0], OnDevice):
            if func is torch.Tensor.new_tensor:
                dtype = kwargs.get("dtype", args[0].dtype)
                return torch.tensor(args[1], dtype=dtype).to(CUDA)
            if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
                args[1] = tree_map(_index, args[1], is_leaf=lambda part: isinstance(part, list))
        return func(*args, **kwargs)


@contextmanager
def emulated_gpu() -> Iterator[list[EmulatedGraph]]:
    """A machine with one GPU; yields the CUDA graphs that are captured on it."""
    graphs: list[EmulatedGraph] = []

    def new_graph() -> EmulatedGraph:
        graphs.append(EmulatedGraph())
        return graphs[-1]

    facts = SimpleNamespace(name="emulated GPU", total_memory=2**34, major=9, minor=0)
    answers: dict[str, Callable[..., Any]] = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "get_device_name": lambda device=None: facts.name,
        "get_device_properties": lambda device=None: facts,
        "get_device_capability": lambda device=None: (facts.major, facts.minor),
        "mem_get_info": lambda device=None: (facts.total_memory, facts.total_memory),
        "synchronize": lambda device=None: None,
        "CUDAGraph": new_graph,
        "graph": capturing,
    }
    with pytest.MonkeyPatch.context() as patched, _Functions(), _Operators():
        for name, answer in answers.items():
            patched.setattr(torch.cuda, name, answer)
        yield graphs


def _numbered(argument: Any) -> Any:
    """The device with its number, for which torch need not ask CUDA."""
    named = isinstance(argument, str | torch.device) and str(argument) == "cuda"
    return CUDA if named else argument


def _index(part: Any) -> Any:
    return torch.tensor(part).to(CUDA) if isinstance(part, list) else part


def _operate(func: Any, args: Any, kwargs: Any) -> Any:
    """Run one operator on the memory of its tensors, which must be all on one side."""
    name = func.overloadpacket.__name__
    leaves = tree_leaves((args, kwargs))
    theirs = {id(leaf.held): leaf for leaf in leaves if isinstance(leaf, OnDevice)}
    mine = [leaf for leaf in leaves if type(leaf) in (torch.Tensor, torch.nn.Parameter)]
    if name == "is_pinned":
        return False
    if name == "_pin_memory":
        return args[0]
    changed = {id(tensor) for tensor in written(func, args, kwargs)}
    if theirs and name not in COPYING:
        for tensor in mine:
            if tensor.dim() or name in STRICT or id(tensor) in changed:
                raise RuntimeError(f"{func} on tensors of the host and of the device")
    asked = kwargs.get("device")
    on_device = bool(theirs) if asked is None else torch.device(asked).type == "cuda"
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu"), "pin_memory": False}
    results = func(*tree_map(memory_of, args), **tree_map(memory_of, kwargs))

    def place(result: Any) -> Any:
        if not isinstance(result, torch.Tensor) or not on_device:
            return result
        return theirs[id(result)] if id(result) in theirs else OnDevice(result)

    return tree_map(place, results)
