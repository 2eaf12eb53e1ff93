"""Branches that depend on values, taken where reading a value is cheap."""

from collections.abc import Callable

import torch
from torch import Tensor


def readable(t: Tensor) -> bool:
    """Whether values can be read cheaply: on the CPU, not compiled and not in a torch.func transform."""
    return (
        t.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch._C._functorch.is_functorch_wrapped_tensor(t)
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
