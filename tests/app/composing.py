"""Cells as the command line would make them, without a command line."""

import copy
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from experiments.app.build import stack_of
from experiments.app.cells import cell_of
from experiments.app.compose import plain
from experiments.app.conf_dir import conf_dir
from experiments.app.schema import register
from experiments.training.cells import Cell
from experiments.training.outcome import Outcome
from experiments.training.train import train

#: a small problem with three classes, and settings of which a test changes what it is about
SMALL = (
    "data=spirals",
    "data.classes=3",
    "data.examples=120",
    "model.depth=2",
    "model.width=6",
    "trainer=cpu",
    "trainer.batch_size=16",
    "trainer.max_steps=30",
    "trainer.evaluations=5",
    "probe=none",
    "logger=none",
)


def options(group: str) -> list[str]:
    """Every option file of a group, by name."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def composed(*overrides: str) -> tuple[dict[str, Any], dict[str, str | None]]:
    """The plain config and the chosen option files of one command line."""
    config, choices = _composed(overrides)
    return copy.deepcopy(config), dict(choices)


@functools.cache  # Hydra takes a tenth of a second
def composed_whole(*overrides: str) -> DictConfig:
    """The config of one command line with Hydra's own part, the axes of a sweep included; only to read."""
    register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", list(overrides), return_hydra_config=True)


@functools.cache
def _composed(overrides: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, str | None]]:
    config = composed_whole(*overrides)
    return dict(plain(config)), dict(config.hydra.runtime.choices)


def cell(*overrides: str, runs_dir: Path | str = "runs") -> Cell:
    """The cell of one command line, on the small problem."""
    config, choices = composed(*SMALL, *overrides)
    return cell_of({**config, "runs_dir": str(runs_dir)}, choices)


def vary(like: Cell, each: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """Cells that differ in some settings: the k-th takes the k-th value of every key."""
    choices = {key: like.axes.get(key) for key in like.config}
    varied = []
    for values in zip(*each.values(), strict=True):
        config = copy.deepcopy(dict(like.config))
        for key, value in zip(each, values, strict=True):
            *parents, leaf = key.split(".")
            node = functools.reduce(lambda inner, name: inner[name], parents, config)
            assert leaf in node, f"no setting {key}"
            node[leaf] = value
        varied.append(cell_of(config, choices))
    return varied


def trained(cells: Sequence[Cell]) -> list[Outcome]:
    """Train the cells as one stack."""
    return train(stack_of(cells))


def room(node: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The class name of a config node and its own numbers."""
    name = node["_target_"].rpartition(".")[2]
    return name, {k: v for k, v in node.items() if k not in ("_target_", "derivative")}
