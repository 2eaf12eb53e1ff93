"""Whole numbers that users give: Python's, NumPy's and torch's, and nothing that is merely near one."""

import operator
from typing import Any

import torch

from experiments.core.errors import ConfigurationError, describe


def is_whole(value: Any, low: int) -> bool:
    """Whether the value is an integer of ``low`` or more; a boolean is none.

    Example:
        >>> is_whole(3, 0), is_whole(-1, 0), is_whole(3.0, 0), is_whole(True, 0)
        (True, False, False, False)
    """
    if isinstance(value, bool) or getattr(value, "dtype", None) == torch.bool:
        return False
    try:
        return operator.index(value) >= low
    except TypeError:
        return False


def whole(name: str, value: Any, low: int) -> int:
    """The value as Python's own integer.

    Raises:
        ConfigurationError: for anything but an integer of ``low`` or more; a boolean is none.

    Example:
        >>> import numpy as np
        >>> whole("seed", np.int64(3), 0)
        3
        >>> whole("runs", 1.5, 1)
        Traceback (most recent call last):
        experiments.core.errors.ConfigurationError: found runs=1.5; expected an integer from 1; ...
    """
    if not is_whole(value, low):
        remedy = f"give a whole number, for instance {name}={low}"
        raise ConfigurationError(describe(f"{name}={value!r}", f"an integer from {low}", remedy))
    return operator.index(value)
