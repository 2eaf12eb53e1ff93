"""Finite numbers in settings: floats and integers of Python and NumPy, but no booleans."""

import math
from numbers import Real
from typing import Any

from experiments.core.errors import ConfigurationError, describe


def finite(name: str, value: Any, low: float = -math.inf, below: float = math.inf) -> float:
    """The value as a Python float.

    Args:
        name: of the setting, as the constructor has it.
        value: what was given.
        low: the smallest number that is accepted.
        below: the smallest number that is too large.

    Raises:
        ConfigurationError: if the value is not a finite number in [low, below). A NaN would otherwise
            be noticed only much later, as a diverged run.

    Example:
        >>> import numpy as np
        >>> finite("sigma_w", np.float32(1.5), low=0.0)
        1.5
        >>> finite("sigma_w", -1.0, low=0.0)
        Traceback (most recent call last):
        experiments.core.errors.ConfigurationError: found sigma_w=-1.0; expected a finite number of 0 ...
        >>> finite("label_noise", 1.0, low=0.0, below=1.0)
        Traceback (most recent call last):
        experiments.core.errors.ConfigurationError: found label_noise=1.0; expected a finite number of 0 ...
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and low <= value < below):
        expected = "a finite number"
        expected += f" of {low:g} or more" if low > -math.inf else ""
        expected += f", below {below:g}" if below < math.inf else ""
        accepted = next(number for number in (1.0, 0.1, below - 1, low) if low <= number < below)
        remedy = f"give {name}={accepted}, say"
        raise ConfigurationError(describe(f"{name}={value!r}", expected, remedy))
    return float(value)
