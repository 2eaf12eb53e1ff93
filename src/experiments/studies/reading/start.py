"""Where a row's network starts on the phase diagram."""

from collections.abc import Mapping
from typing import Any

from experiments.core.errors import ConfigurationError
from experiments.studies.reading.rooms import activation_of, initializer_of, missing
from experiments.theory import StartingPoint, starting_points


def start_of(row: Mapping[str, Any]) -> StartingPoint | None:
    """sigma_w, sigma_b, the fixed point there and the critical sigma_w, for the row's width.

    Returns:
        None where the theory does not apply: an option from outside this package, weights that are all
        0, hidden layers of several widths.

    Example:
        >>> row = {"activation": "tanh", "initializer": "gaussian", "initializer.sigma_w": 2.0}
        >>> start = start_of(row | {"initializer.sigma_b": 0.05**0.5, "model.width": 128})
        >>> round(start.sigma_w, 6), round(start.point.xi_c, 6), round(start.distance, 3)
        (2.0, 6.980274, 1.507)
    """
    if missing(row["model.width"]):
        return None
    try:
        activation, initializer = activation_of(row), initializer_of(row)
        width = int(row["model.width"])
        names = str(row["activation"]), str(row["initializer"])
        return starting_points({names[0]: activation}, {names[1]: initializer}, width)[0]
    except ConfigurationError:
        return None
