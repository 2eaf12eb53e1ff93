"""Whole numbers that users give: Python's, NumPy's and torch's, and nothing that is merely near one."""

import operator
from typing import Any

from experiments.core.errors import ConfigurationError, describe


def whole(name: str, value: Any, low: int) -> int:
    """The value as Python's own integer.

    Raises:
        ConfigurationError: for anything but an integer from ``low``; a truth value is none.

    Example:
        >>> import numpy as np
        >>> whole("seed", np.int64(3), 0)
        3
        >>> whole("runs", 1.5, 1)
        Traceback (most recent call last):
        experiments.core.errors.ConfigurationError: found runs=1.5; expected an integer from 1; ...
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low:
        remedy = f"give a whole number, for instance {name}={low}"
        raise ConfigurationError(
            describe(f"{name}={value!r}", f"an integer from {low}", remedy)
        ) from None
    return number
