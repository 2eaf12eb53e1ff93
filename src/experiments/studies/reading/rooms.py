"""From a row of the results table back to the objects it was made of.

An option's name is the name of its room (``activation=elu`` is ``experiments/activations/elu.py``),
and a row holds every constructor argument under its config key, so nothing else has to be known.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from experiments import theory
from experiments.core.activation import Activation
from experiments.core.dataset import Dataset
from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.core.loss import Loss
from experiments.core.whole import integer_if_whole


def activation_of(row: Mapping[str, Any]) -> Activation:
    """The activation of a cell.

    >>> activation_of({"activation": "elu", "activation.alpha": 0.5}).alpha
    0.5
    """
    built: Activation = _built(Activation, "activations", "activation", row)
    return built


def initializer_of(row: Mapping[str, Any]) -> Initializer:
    """The initializer of a cell; one that theory has to work out is a function of that floor.

    >>> initializer_of({"initializer": "he"}).weight_variance(n=3, n_prev=8)
    0.25
    >>> critical = initializer_of({"initializer": "critical", "activation": "relu"})
    >>> round(critical.weight_variance(n=3, n_prev=8), 6)
    0.25
    """
    worked_out = getattr(theory, str(row["initializer"]), None)
    if callable(worked_out):
        found: Initializer = worked_out(
            activation_of(row), **_arguments(worked_out, "initializer", row)
        )
        return found
    built: Initializer = _built(Initializer, "initializers", "initializer", row)
    return built


def loss_of(row: Mapping[str, Any]) -> Loss:
    """The loss of a cell.

    >>> loss_of({"loss": "half_squared_error", "loss.link": "sigmoid"}).link
    'sigmoid'
    """
    built: Loss = _built(Loss, "losses", "loss", row)
    return built


def dataset_of(row: Mapping[str, Any]) -> Dataset:
    """The data set of a cell; nothing is read until it is loaded.

    >>> dataset_of({"data": "digits"}).outputs
    10
    >>> dataset_of({"data": "rings", "data.examples": 60.0}).examples
    60
    """
    built: Dataset = _built(Dataset, "data", "data", row)
    return built


def _built(kind: type, floor: str, group: str, row: Mapping[str, Any]) -> Any:
    name = f"experiments.{floor}.{row[group]}"
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            describe(f"{group}={row[group]!r}", f"a room {name}", "name an option file as its room")
        ) from error
    rooms = [
        found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, kind) and found.__module__ == name
    ]
    return rooms[0](**_arguments(rooms[0], group, row))


def _arguments(maker: Callable[..., Any], group: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the maker's parameters that the row has a value for."""
    return {
        # a column that some cells lack holds no integers
        leaf: integer_if_whole(row[f"{group}.{leaf}"])
        for leaf in inspect.signature(maker).parameters
        if not missing(row.get(f"{group}.{leaf}"))
    }


def missing(value: Any) -> bool:
    """Whether a row has nothing under a key: columns are shared by all options, and some lack it.

    >>> missing(None), missing(float("nan")), missing(0)
    (True, True, False)
    """
    return value is None or value != value
