"""Every room of experiments.activations, found in the package folder, and the oracle of each."""

import importlib
import inspect
import pkgutil

import pytest
from tests.oracles import activations as oracle

import experiments.activations
from experiments.activations import ELU, LeakyReLU
from experiments.core.activation import Activation

MODULES = [
    importlib.import_module(f"experiments.activations.{name}")
    for _, name, _ in pkgutil.iter_modules(experiments.activations.__path__)
]
CLASSES = [
    cls
    for module in MODULES
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Activation) and cls.__module__ == module.__name__
]
DEFAULTS = [cls() for cls in CLASSES]
CASES = [*DEFAULTS, ELU(alpha=0.3), ELU(alpha=2.0), LeakyReLU(negative_slope=0.2)]


def name_of(sigma: Activation) -> str:
    """The module's name, and the numbers that are not the default."""
    return room_name(sigma) + "".join(f"-{x:g}" for x in numbers_of(sigma))


def room_name(sigma: Activation) -> str:
    """The file a room lives in, which is also the name of its option and of its oracle."""
    return type(sigma).__module__.rpartition(".")[2]


def numbers_of(sigma: Activation) -> list[float]:
    """The numbers that define sigma."""
    return [getattr(sigma, name) for name in sigma.arguments]


def with_rule(sigma: Activation, rule: str) -> Activation:
    """The same function with the other rule for its derivative."""
    return type(sigma)(*numbers_of(sigma), derivative=rule)


def oracle_of(sigma: Activation) -> oracle.Oracle:
    """(sigma, sigma', sigma'') in mpmath."""
    found = getattr(oracle, room_name(sigma))
    return found(*numbers_of(sigma)) if sigma.arguments else found


def wide_oracle_of(sigma: Activation) -> oracle.WideOracle:
    """(sigma, sigma') in NumPy float64."""
    return oracle.WIDE[room_name(sigma)](*numbers_of(sigma))


every_case = pytest.mark.parametrize("sigma", CASES, ids=name_of)
every_room = pytest.mark.parametrize("sigma", DEFAULTS, ids=room_name)
