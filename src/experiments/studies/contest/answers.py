r"""A trained network's answers, from its checkpoint, and the same answers with a temperature.

::

    p = softmax(z / T),    T = argmin over T of the negative log-likelihood of the validation part

One number for each network, fitted after training. It changes how sure the answers are, and never which
class is chosen. Every head is then read through a softmax, so that heads can be compared.

References:
    Guo, Pleiss, Sun & Weinberger (2017), "On calibration of modern neural networks", section 4.2.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import minimize_scalar
from torch import Tensor

from experiments.core.dataset import Split
from experiments.core.errors import ConfigurationError
from experiments.core.metric import Answers
from experiments.losses import CrossEntropy
from experiments.probes.metrics import reliability
from experiments.studies.reading.network import network_of
from experiments.studies.reading.rooms import dataset_of, loss_of

#: temperatures are searched between e^-RANGE and e^RANGE
RANGE = 8.0


def answers_of(
    row: Mapping[str, Any], folder: Path, part: Literal["val", "test"] = "test"
) -> Answers | None:
    """The outputs of a row's trained network on one part of its data.

    Returns:
        None where they cannot be computed: no checkpoint, options from outside this package, no
        examples, or data without classes.
    """
    try:
        data = dataset_of(row)
        split: Split = getattr(data.load(), part)
        if data.task != "classification" or not len(split):
            return None
        loss = loss_of(row)
    except (ConfigurationError, KeyError, OSError):
        return None
    net = network_of(row, folder)
    if net is None:
        return None
    with torch.no_grad():
        return Answers(net(split.x.to(net.weights[0].dtype))[None], split.t, loss)


def best_temperature(answers: Answers) -> float:
    """The temperature that suits these answers (those of the validation part) best.

    NaN for one output, where a softmax says nothing, and for outputs that are not finite.
    """
    z, classes = answers.z[0], answers.classes
    if z.shape[-1] == 1 or not bool(z.isfinite().all()):
        return math.nan
    fit = minimize_scalar(
        lambda log: _nll(z / math.exp(log), classes), bounds=(-RANGE, RANGE), method="bounded"
    )
    return math.exp(float(fit.x))


def tempered(answers: Answers, temperature: float) -> Answers:
    """The same outputs read as softmax(z / T)."""
    return Answers(answers.z / temperature, answers.classes, CrossEntropy())


def reliability_sums(answers: Answers, bins: int) -> Float64[ndarray, "3 bins"]:
    """Of each bin of confidence: number of answers, sum of their confidence, number of right ones."""
    sums = reliability(answers.confidence, answers.right, bins)
    return np.concatenate([part.numpy() for part in sums])


def _nll(z: Float64[Tensor, "examples classes"], classes: Tensor) -> float:
    return float(torch.nn.functional.cross_entropy(z, classes))
