"""From a row of the results table back to its activation, initializer, loss and data set.

An option's name is that of its module (``activation=elu`` is ``experiments/activations/elu.py``), and a row
holds every constructor argument under its config key, so nothing else is needed.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
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
    """The initializer of a cell; one that depends on the activation is a function of ``theory``.

    >>> initializer_of({"initializer": "he"}).weight_variance(n=3, n_prev=8)
    0.25
    >>> critical = initializer_of({"initializer": "critical", "activation": "relu"})
    >>> round(critical.weight_variance(n=3, n_prev=8), 6)
    0.25
    """
    from_theory = getattr(theory, str(row["initializer"]), None)
    if callable(from_theory):
        arguments = _arguments(from_theory, "initializer", row)
        computed: Initializer = from_theory(activation_of(row), **arguments)
        return computed
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
    >>> dataset_of({"data": "unit_cube", "data.target": "tent", "data.target.cycles": 4.0}).target
    functools.partial(<function tent at 0x...>, cycles=4)
    """
    built: Dataset = _built(Dataset, "data", "data", row)
    return built


def _built(kind: type, floor: str, group: str, row: Mapping[str, Any]) -> Any:
    name = f"experiments.{floor}.{row[group]}"
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            describe(
                f"{group}={row[group]!r}",
                f"a module {name}",
                "give the option file and the module one name",
            )
        ) from error
    cls, *_ = (
        member
        for member in vars(module).values()
        if isinstance(member, type) and issubclass(member, kind) and member.__module__ == name
    )
    return cls(**_arguments(cls, group, row))


def _arguments(maker: Callable[..., Any], group: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the row has for the maker's parameters; of a column with holes, integers again."""
    found = {}
    for leaf, parameter in inspect.signature(maker).parameters.items():
        key = f"{group}.{leaf}"
        if not missing(row.get(key)):
            is_function = parameter.default is not parameter.empty and callable(parameter.default)
            found[leaf] = _function(maker, key, row) if is_function else integer_if_whole(row[key])
    return found


def _function(owner: Callable[..., Any], key: str, row: Mapping[str, Any]) -> Callable[..., Any]:
    """A function of the owner's module, such as data.target, whose parameters have keys below its own."""
    function = vars(sys.modules[owner.__module__]).get(row[key])
    if not inspect.isfunction(function):
        expected = f"a function of {owner.__module__}"
        raise ConfigurationError(
            describe(f"{key}={row[key]!r}", expected, "define it there, for studies to find it")
        )
    return partial(function, **_arguments(function, key, row))


def missing(value: Any) -> bool:
    """Whether a row has no value under a key: not every option has every column of the table.

    >>> missing(None), missing(float("nan")), missing(0)
    (True, True, False)
    """
    return value is None or value != value
