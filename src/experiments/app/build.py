"""From a resolved config to objects: the only caller of instantiate."""

import difflib
import functools
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_class, get_object, instantiate

from experiments.app.schema import FrontPage
from experiments.core.cell import SweepFolder
from experiments.core.dataset import Dataset
from experiments.core.errors import ConfigurationError, describe
from experiments.core.initializer import Initializer
from experiments.core.logger import CellLogger
from experiments.training.cells import Cell, flatten, identity, read_checkpoint
from experiments.training.examples import shape_of
from experiments.training.settings import ModelSettings, TrainerSettings
from experiments.training.stack import Run, Stack

#: the groups whose option name, not their contents, is what a table shows first
GROUPS = ("activation", "loss", "initializer", "data", "optimizer", "probe", "metric")

#: what cells of one stack need not share; of the optimiser, the numbers
OWN = ("seed", "initializer", "checkpoint", "optimizer", "data", "name", "runs_dir", "study")

#: bytes that a data set may take of which a stack holds several
OWN_DATA = 2**20

#: groups of which a cell has one option
SINGLE = ("activation", "loss", "initializer", "data", "optimizer", "probe")


def cell_of(plain: Mapping[str, Any], choices: Mapping[str, str | None]) -> Cell:
    """The cell that a composed config describes.

    Args:
        plain: the resolved config without the hydra node, in plain containers.
        choices: the option name of every group.

    Raises:
        CheckpointError: if a starting checkpoint is named and cannot be read.
        ConfigurationError: for a key that nothing reads; for a head together with another loss or
            link.
    """
    _require_known(plain)
    _require_one_option(choices)
    _require_one_head(choices, plain)
    checkpoint = None if plain["checkpoint"] is None else Path(plain["checkpoint"])
    if checkpoint is not None:
        read_checkpoint(checkpoint)
    return _cell(identity(_without_idle(plain), checkpoint), plain, choices)


def cell_or_refusal(plain: Mapping[str, Any], choices: Mapping[str, str | None]) -> Cell:
    """The same for one job of a sweep: what is refused becomes a cell that will be recorded as failed."""
    try:
        return cell_of(plain, choices)
    except ConfigurationError as error:
        cell = _cell(identity({**plain, "refused": plain["checkpoint"]}), plain, choices)
        return replace(cell, refusal=error)


def _cell(cell: str, plain: Mapping[str, Any], choices: Mapping[str, str | None]) -> Cell:
    folder = SweepFolder(Path(plain["runs_dir"]) / plain["name"]).cell(cell)
    return Cell(cell, plain, axes(plain, choices), folder)


def _without_idle(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config without sizes that another setting overrides: they are no difference."""
    model = dict(plain["model"])
    if model["hidden"] is not None:
        model |= {"depth": None, "width": None}
    if model["parameters"] is not None:
        model["width"] = None
    return {**plain, "model": model}


def _require_one_option(choices: Mapping[str, str | None]) -> None:
    """Of a list Hydra would merge the option files into one, and the last would be trained."""
    for group in SINGLE:
        if not isinstance(choices.get(group), str):
            remedy = f"to compare several, sweep: -m {group}=a,b"
            raise ConfigurationError(describe(f"no single {group}", "one option file", remedy))


def _require_known(plain: Mapping[str, Any]) -> None:
    """A key added with + where the front page has none would be kept and never read."""
    pages = (("", FrontPage, plain), ("model.", ModelSettings, plain["model"]))
    for prefix, page, found in (*pages, ("trainer.", TrainerSettings, plain["trainer"])):
        known = [field.name for field in fields(page)]
        for key in found:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                remedy = f"did you mean {prefix}{near[0]}?" if near else "remove it"
                expected = ", ".join(prefix + name for name in known)
                raise ConfigurationError(describe(f"the key {prefix}{key}", expected, remedy))


def _require_one_head(choices: Mapping[str, str | None], plain: Mapping[str, Any]) -> None:
    """A head is a loss and a link; another loss beside it would take its link and nothing else."""
    head, loss, link = choices.get("head"), choices.get("loss"), plain["loss"].get("link")
    if head is not None and "_on_" in head and head != f"{loss}_on_{link}":
        raise ConfigurationError(
            describe(
                f"head={head} together with loss={loss} and loss.link={link}",
                "one head",
                "leave head out, or loss and loss.link",
            )
        )


def axes(config: Mapping[str, Any], choices: Mapping[str, str | None]) -> dict[str, Any]:
    """Flat keys for the table: every group by its option name, every setting by its config key.

    Of sizes those in force, not those that another setting overrides: model.parameters leaves no width
    that all depths share.
    """
    shown: dict[str, Any] = {group: choices.get(group) for group in GROUPS}
    for key, value in flatten(config).items():
        if key.endswith("_target_") or key in ("name", "runs_dir", "study") or "logger" in key:
            continue
        if isinstance(value, list):
            if any(isinstance(item, Mapping) for item in value):
                continue  # rooms, such as the ledger's quantities: config.yaml names them
            value = json.dumps(value)
        shown[key] = value
    hidden = config["model"]["hidden"]
    if config["model"]["parameters"] is not None:
        shown["model.width"] = None
    if hidden is not None:
        shown["model.depth"] = len(hidden)
        shown["model.width"] = hidden[0] if len(set(hidden)) == 1 else None
    return shown


def group_key(cell: Cell) -> str:
    """Cells with the same key have the same shapes and rules, and can be trained as one stack.

    What a run has for itself is left out: seed, initialiser, starting checkpoint, the numbers of the
    optimiser (learning rate, momentum, ...), and all but the shape of its data, where they are small.
    """
    shared = {key: value for key, value in cell.config.items() if key not in OWN}
    shared["data"] = _data_key(json.dumps(cell.config["data"], default=str))
    shared["optimizer"] = {
        key: value for key, value in cell.config["optimizer"].items() if not _is_number(value)
    }
    return json.dumps(shared, sort_keys=True, default=str)


@functools.cache
def _data_key(node: str) -> str:
    """What data sets must have in common to be trained on in one stack.

    A seed draws another split, or other wrong labels, of the same shape: studies whose seeds do so
    would otherwise make as many stacks.
    """
    try:
        dataset: Dataset = make(json.loads(node))
        splits = dataset.load()
    except Exception:  # noqa: BLE001  run_stack meets it again and records it
        return node
    if splits.bytes > OWN_DATA:
        return node
    return json.dumps([dataset.task, dataset.features, dataset.outputs, *shape_of(splits)])


def run_of(cell: Cell, dataset: Dataset | None = None) -> Run:
    """One cell's own share of a stack; its examples come from ``dataset``, if not the stack's."""
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
    """The initialiser of a config node; one that follows theory takes time to find its scale."""
    initializer: Initializer = make(json.loads(node))
    return initializer


def stack_of(cells: Sequence[Cell]) -> Stack:
    """The objects of cells that share a group key.

    Raises:
        ConfigurationError: from the room that refuses its arguments.
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
        ConfigurationError: the room's own refusal, without Hydra's account of the call; a class that
            is not there or not finished; or arguments of a name or type that the room does not take.
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
                "write the methods that are named",
            )
        )
    settings = ", ".join(f"{key}={value!r}" for key, value in node.items() if key[0] != "_")
    found = f"{node['_target_']} with {settings} ({str(cause).splitlines()[0]})"
    remedy = "see the comments in the option file for names, types and ranges"
    return ConfigurationError(describe(found, "arguments that it takes", remedy))


def optimizer_of(cells: Sequence[Cell]) -> Any:
    """A maker of the optimiser: numbers that differ from run to run become a list of R."""
    configs = [cell.config["optimizer"] for cell in cells]
    arguments: dict[str, Any] = {}
    for key, value in configs[0].items():
        if key == "_target_":
            continue
        values = [config[key] for config in configs]
        arguments[key] = value if values.count(value) == len(values) else values
    maker = functools.partial(get_class(configs[0]["_target_"]), **arguments)
    try:
        inspect.signature(maker.func).bind(**arguments)
    except TypeError as error:
        raise _unsuitable(configs[0], error) from error
    return maker


def loggers_of(config: Mapping[str, Any]) -> list[CellLogger]:
    """The loggers of one cell.

    A study sets details of the logger it chose; under another choice (logger=none) they remain,
    without a target, and mean nothing.
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
