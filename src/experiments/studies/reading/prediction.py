r"""What mean field predicts for one row of the table: the gradient's profile, at any depth.

The theory follows q from the actual input through the actual widths (``theory.predicted_profile``), once
for the deepest network of a family; networks that differ only in depth share their lower layers. It predicts
the mean of log10 ||delta^[l]|| over draws, which lies below the log10 of the root mean square by an amount
of the order depth / width. Nothing is fitted, and only the size of delta at the output is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from experiments.core.errors import ConfigurationError
from experiments.studies.reading.rooms import (
    activation_of,
    dataset_of,
    initializer_of,
    loss_of,
    missing,
)
from experiments.theory import BatchMoments, predicted_profile

#: classes of angles between examples: more of them change the profile by less than a thousandth
CLASSES = 1
#: examples from which a batch's moments are computed
EXAMPLES = 256


@dataclass(frozen=True)
class Prediction:
    """Steps of log10 ||delta|| from layer to layer, for networks that differ only in depth.

    Args:
        limit: sqrt(chi) at the fixed point, the factor far from the input.
        hidden: from hidden layer k + 1 down to k, counted from the input.
        output: from the output down to hidden layer k, if k is the last.
    """

    limit: float
    hidden: Float64[ndarray, " layers"]
    output: Float64[ndarray, " layers"]

    def log10_profile(self, depth: int) -> Float64[ndarray, " layers"]:
        """log10 (||delta^[l]|| / ||delta^[L]||) for l = 2 .. L, with ``depth`` hidden layers.

        >>> p = Prediction(0.1, np.array([-1.0, -1.0]), np.array([-0.3, -0.3]))
        >>> p.log10_profile(2), p.log10_profile(0)
        (array([-1.3, -0.3,  0. ]), array([0.]))
        """
        steps = [0.0, self.output[depth - 1], *self.hidden[: depth - 1][::-1]][: depth + 1]
        return np.cumsum(steps)[::-1]


def predict(row: Mapping[str, Any], deepest: int) -> Prediction | None:
    """Mean field for the network of a row, up to ``deepest`` hidden layers (at least 1).

    Returns:
        None where the theory does not apply: an option from outside this package, a data set that
        cannot be read, weights that are all 0, hidden layers of several widths, or of a width that
        follows from the depth (model.parameters).
    """
    if missing(row.get("model.width")) or not missing(row.get("model.parameters")):
        return None
    try:
        activation, initializer = activation_of(row), initializer_of(row)
        data = dataset_of(row)
        batch = _batch(row)
        n, n_out = int(row["model.width"]), data.outputs
        widths = (data.features, *[n] * max(deepest, 2), n_out)
        profile = predicted_profile(widths, activation, initializer, batch)
    except ConfigurationError:
        return None
    through, out = (n * initializer.weight_variance(m, n) for m in (n, n_out))
    if min(through, out) <= 0 or profile.asymptote is None:
        return None
    # chi is that of the mean square per unit, n_{l+1} Var W^[l+1] E[sigma'(u)^2]
    gains = np.array([through] * (len(profile.chi) - 2) + [out * n_out / n])
    slopes = np.array(profile.chi[:-1]) / gains
    below = -np.diff(profile.log10_shortfall)
    return Prediction(
        limit=10.0 ** (profile.asymptote[0] - profile.asymptote[1]),
        hidden=np.log10(through * slopes) / 2 - below,
        output=np.log10(out * slopes) / 2 - below,
    )


def _batch(row: Mapping[str, Any]) -> BatchMoments:
    """A batch before training, when the outputs are near 0 and delta^[L] is that of guessing."""
    train = dataset_of(row).load().train
    batch_size: Any = row.get("trainer.batch_size")
    size = min(EXAMPLES, len(train), EXAMPLES if missing(batch_size) else int(batch_size))
    x, t = train.x[:size], train.t[:size]
    outputs = torch.zeros(1, size, dataset_of(row).outputs)
    return BatchMoments.of(x, loss_of(row).delta(outputs, t), CLASSES)
