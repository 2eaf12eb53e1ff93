"""From cells to the objects that train them: the only caller of Hydra's instantiate."""

import functools
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_class, get_object, instantiate

from experiments.core.dataset import Dataset
from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.core.logger import CellLogger
from experiments.training.cells import Cell, read_checkpoint
from experiments.training.examples import shape_of
from experiments.training.optimizers.optimizer import Optimizer
from experiments.training.settings import ModelSettings, TrainerSettings
from experiments.training.stack import Run, Stack

#: settings that may differ within a stack (of the optimiser and the data, see ``group_key``)
OWN = ("seed", "initializer", "checkpoint", "optimizer", "data", "name", "runs_dir", "study")

#: largest data set in bytes of which a stack may hold several
OWN_DATA = 2**20


def group_key(cell: Cell) -> str:
    """Cells with equal keys have the same shapes and rules and can be trained as one stack.

    What may differ from run to run is left out: seed, initialiser, starting checkpoint, the numbers of
    the optimiser (learning rate, momentum, ...), and of small data sets everything but the shape.
    """
    shared = {key: value for key, value in cell.config.items() if key not in OWN}
    shared["data"] = _data_key(json.dumps(cell.config["data"], default=str))
    shared["optimizer"] = {
        key: value for key, value in cell.config["optimizer"].items() if not _is_number(value)
    }
    return json.dumps(shared, sort_keys=True, default=str)


@functools.cache
def _data_key(node: str) -> str:
    """What data sets must have in common to share a stack.

    Where each seed draws its own split or its own wrong labels, the data differ but their shapes agree;
    such runs would otherwise each need a stack of their own.
    """
    try:
        dataset: Dataset = make(json.loads(node))
        splits = dataset.load()
    except Exception:  # noqa: BLE001  run_stack raises it again and records it
        return node
    if splits.bytes > OWN_DATA:
        return node
    return json.dumps([dataset.task, dataset.features, dataset.outputs, *shape_of(splits)])


def run_of(cell: Cell, dataset: Dataset | None = None) -> Run:
    """One cell's share of a stack; ``dataset`` is None if it uses the stack's."""
    checkpoint = cell.config["checkpoint"]
    return Run(
        cell=cell.id,
        seed=cell.config["seed"],
        initializer=_initializer(json.dumps(cell.config["initializer"])),
        start=None if checkpoint is None else read_checkpoint(Path(checkpoint)),
        dataset=dataset,
    )


@functools.cache
def _initializer(node: str) -> Initializer:
    """The initialiser of a config node, cached: finding a critical scale takes time."""
    initializer: Initializer = make(json.loads(node))
    return initializer


def stack_of(cells: Sequence[Cell]) -> Stack:
    """The objects of cells that share a group key.

    Raises:
        ConfigurationError: if a class refuses its arguments.
    """
    config = cells[0].config
    settings = TrainerSettings(**config["trainer"])
    nodes = [json.dumps(cell.config["data"], default=str) for cell in cells]
    others = {node: make(json.loads(node)) for node in dict.fromkeys(nodes) if node != nodes[0]}
    return Stack(
        runs=tuple(run_of(cell, others.get(node)) for cell, node in zip(cells, nodes, strict=True)),
        model=ModelSettings(**config["model"]),
        activation=make(config["activation"]),
        loss=make(config["loss"]),
        dataset=make(config["data"]),
        optimizer=optimizer_of(cells),
        settings=settings,
        ledger=make(config["probe"]),
        metrics={name: make(node) for name, node in config["metric"].items()},
    )


def make(node: Mapping[str, Any]) -> Any:
    """The object that an option file describes.

    Raises:
        ConfigurationError: if the class refuses its arguments (its own message, without Hydra's), does
            not exist, is abstract, or does not take arguments of this name or type.
    """
    try:
        return instantiate(node)
    except InstantiationException as error:
        cause: BaseException | None = error
        while isinstance(cause, InstantiationException):
            cause = cause.__cause__
        if isinstance(cause, ConfigurationError):
            raise cause from None
        if isinstance(cause, TypeError):
            raise _unsuitable(node, cause) from error
        if str(error).startswith("Error locating target"):
            raise _missing(node) from error
        raise


def _missing(node: Mapping[str, Any]) -> ConfigurationError:
    package, _, name = node["_target_"].rpartition(".")
    remedy = f"correct the option file, or import {name} in the __init__.py of {package}"
    return ConfigurationError(
        describe(
            f"_target_={node['_target_']}", "the path of a class that Python can import", remedy
        )
    )


def _unsuitable(node: Mapping[str, Any], cause: TypeError) -> ConfigurationError:
    if inspect.isabstract(get_object(node["_target_"])):
        return ConfigurationError(
            describe(
                f"{node['_target_']} ({cause})",
                "a class with every method of its contract",
                "write the missing methods",
            )
        )
    settings = ", ".join(f"{key}={value!r}" for key, value in node.items() if key[0] != "_")
    found = f"{node['_target_']} with {settings} ({str(cause).splitlines()[0]})"
    remedy = "see the comments in the option file for names, types and ranges"
    return ConfigurationError(describe(found, "arguments that the class takes", remedy))


def optimizer_of(cells: Sequence[Cell]) -> Any:
    """A function that makes the optimiser; numbers that differ between runs become a list of R."""
    configs = [cell.config["optimizer"] for cell in cells]
    for config in configs:
        _require_numbers(json.dumps(config))
    arguments: dict[str, Any] = {}
    for key, value in configs[0].items():
        if key == "_target_":
            continue
        values = [config[key] for config in configs]
        arguments[key] = value if values.count(value) == len(values) else values
    return functools.partial(get_class(configs[0]["_target_"]), **arguments)


@functools.cache
def _require_numbers(node: str) -> None:
    """Refuse a list where one number belongs: a stack would give each of its runs another one of them."""
    config = json.loads(node)
    optimizer: Optimizer = make(config)
    for key, value in optimizer.hyperparameters.items():
        if value.ndim or isinstance(config.get(key), bool):
            given = f"optimizer.{key}"
            raise ConfigurationError(
                describe(
                    f"{given}={config[key]}",
                    "one number",
                    f"sweep over several: -m {given}=0.1,0.2",
                )
            )


def loggers_of(config: Mapping[str, Any]) -> list[CellLogger]:
    """The loggers of one cell.

    A study sets details of the logger it chose. Under another choice (logger=none) these remain as nodes
    without a target, which are ignored.
    """
    nodes = [node for node in config["logger"].values() if "_target_" in node]
    return [_logger(json.dumps(node)) for node in nodes]


@functools.cache
def _logger(node: str) -> CellLogger:
    """The logger of a config node, shared by all cells that have it."""
    logger: CellLogger = make(json.loads(node))
    return logger


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
