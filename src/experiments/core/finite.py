"""Finite numbers in settings: floats and integers of Python and NumPy, but no booleans."""

import math
from numbers import Real
from typing import Any

from experiments.core.errors import ConfigurationError, describe


def finite(name: str, value: Any, low: float = -math.inf) -> float:
    """The value as a Python float.

    Raises:
        ConfigurationError: if the value is not a finite number >= ``low``. A NaN would otherwise be
            noticed only much later, as a diverged run.

    Example:
        >>> import numpy as np
        >>> finite("sigma_w", np.float32(1.5), low=0.0)
        1.5
        >>> finite("sigma_w", -1.0, low=0.0)
        Traceback (most recent call last):
        experiments.core.errors.ConfigurationError: found sigma_w=-1.0; expected a finite number of 0 ...
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and value >= low):
        expected = "a finite number" + ("" if low == -math.inf else f" of {low:g} or more")
        remedy = f"give {name}={max(low, 1.0)}, say"
        raise ConfigurationError(describe(f"{name}={value!r}", expected, remedy))
    return float(value)
