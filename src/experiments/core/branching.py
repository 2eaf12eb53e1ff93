"""Branches that depend on values, taken where reading a value is cheap."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import Parameter


def readable(t: Tensor) -> bool:
    """Whether values can be read cheaply, and hold for this one call.

    That is on the CPU, where nobody traces the call: the compiler, a torch.func transform, torch.jit.trace,
    or a mode that sees every operation, such as those of make_fx and of tensors without values.
    """
    return (
        t.device.type == "cpu"
        and type(t) in (Tensor, Parameter)
        and not torch.compiler.is_compiling()
        and not torch._C._functorch.is_functorch_wrapped_tensor(t)
        and not torch._C._len_torch_dispatch_stack()
        and not torch._C._is_tracing()
    )


def where_rare(condition: Tensor, rare: Callable[[], Tensor], usual: Tensor) -> Tensor:
    """``torch.where(condition, rare(), usual)``, which does not compute ``rare`` if no entry needs it.

    No entry of the result depends on the others: they change only the time.

    Example:
        >>> z = torch.tensor([1.0, 4.0])
        >>> where_rare(z < 0, lambda: torch.full_like(z, torch.nan), z.sqrt())
        tensor([1., 2.])
    """
    if readable(condition) and not bool(condition.any()):
        return usual
    return torch.where(condition, rare(), usual)
