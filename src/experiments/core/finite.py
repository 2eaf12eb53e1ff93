"""Finite numbers that users give: Python's and NumPy's, integers included, booleans not."""

import math
from numbers import Real
from typing import Any

from experiments.core.errors import ConfigurationError, describe


def finite(name: str, value: Any, low: float = -math.inf) -> float:
    """The value as Python's own float.

    Raises:
        ConfigurationError: for anything but a finite number of ``low`` or more. A NaN would otherwise
            only show up as a diverged run, much later.

    Example:
        >>> import numpy as np
        >>> finite("sigma_w", np.float32(1.5), low=0.0)
        1.5
        >>> finite("sigma_w", -1.0, low=0.0)
        Traceback (most recent call last):
        experiments.core.errors.ConfigurationError: found sigma_w=-1.0; expected a finite number of 0 ...
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and value >= low):
        least = "" if low == -math.inf else f" of {low:g} or more"
        raise ConfigurationError(
            describe(
                f"{name}={value!r}", f"a finite number{least}", f"give {name}={max(low, 1.0)}, say"
            )
        )
    return float(value)
