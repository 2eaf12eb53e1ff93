"""Whole numbers in settings: integers of Python, NumPy and torch, but no float that is close to one."""

import operator
from typing import Any

import torch

from experiments.core.errors import ConfigurationError, describe


def is_whole(value: Any, low: int) -> bool:
    """Whether the value is an integer of at least ``low``; booleans are not integers here.

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
    """The value as a Python integer.

    Raises:
        ConfigurationError: if the value is not an integer of at least ``low``, or is a boolean.

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


def integer_if_whole(value: Any) -> Any:
    """A float without a fractional part as an integer; every other value unchanged.

    Example:
        >>> integer_if_whole(3.0), integer_if_whole(0.5), integer_if_whole("3.0")
        (3, 0.5, '3.0')
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value
