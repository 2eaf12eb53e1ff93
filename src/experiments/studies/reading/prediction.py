r"""What mean field says of one row of the table: the gradient's factor at every layer.

::

    q^[2]   = n_1 Var W^[2] mean(x^2) + Var b,     q^[l+1] = n_l Var W^[l+1] E[sigma(u)^2] + Var b
    E||delta^[l]||^2 / E||delta^[l+1]||^2 = n_l Var W^[l+1] E[sigma'(u)^2],    u ~ N(0, q^[l])

Nothing is fitted. Far from the input q settles at q* and the factor at chi = n Var W E[sigma'(u)^2].
The theory speaks of wide networks and of the mean square; the mean of the logarithm, which is what is
measured over seeds, lies below it by an amount of the order depth / width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from experiments.core.errors import ConfigurationError, DataError
from experiments.studies.reading.rooms import activation_of, dataset_of, initializer_of
from experiments.theory import mean_field


@dataclass(frozen=True)
class Prediction:
    """Factors on the gradient's norm for networks that differ in depth alone.

    Args:
        limit: sqrt(chi), the factor far from the input.
        hidden: from hidden layer k + 1 to hidden layer k, counted from the input; entry 0 first.
        output: from the output layer to hidden layer k, if that is the last.
    """

    limit: float
    hidden: Float64[ndarray, " layers"]
    output: Float64[ndarray, " layers"]

    def log10_profile(self, depth: int) -> Float64[ndarray, " layers"]:
        """log10 (||delta^[l]|| / ||delta^[L]||) for l = 2 .. L of a network with ``depth`` hidden layers.

        >>> p = Prediction(0.1, np.array([0.1, 0.1]), np.array([0.5, 0.5]))
        >>> p.log10_profile(2).round(3)
        array([-1.301, -0.301,  0.   ])
        """
        steps = [*np.log10(self.hidden[: depth - 1]), np.log10(self.output[depth - 1])]
        return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


def predict(row: Mapping[str, Any], deepest: int) -> Prediction | None:
    """Mean field for the network of a row, up to ``deepest`` hidden layers.

    Returns:
        None where the theory has nothing to go on: an option that is no room, a data set that cannot
        be read (its mean square is needed), weights that are all 0.
    """
    try:
        activation, initializer, data = activation_of(row), initializer_of(row), dataset_of(row)
    except ConfigurationError:
        return None
    n = int(row["model.width"])
    hidden_variance = n * initializer.weight_variance(n, n)
    bias = initializer.bias_variance(n, n) ** 0.5
    if hidden_variance == 0:
        return None
    try:
        x = data.load().train.x
    except DataError:
        return None
    first = data.features * initializer.weight_variance(n, data.features)
    q = [first * float((x.double() ** 2).mean()) + initializer.bias_variance(n, data.features)]
    while len(q) < deepest:
        q.append(float(mean_field.length_map(activation, [q[-1]], hidden_variance**0.5, bias)[0]))
    slopes = mean_field.slope(activation, q).numpy()
    output_variance = n * initializer.weight_variance(data.outputs, n)
    return Prediction(
        limit=mean_field.fixed_point(activation, hidden_variance**0.5, bias).factor,
        hidden=np.sqrt(hidden_variance * slopes),
        output=np.sqrt(output_variance * slopes),
    )
