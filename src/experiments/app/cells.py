"""From a composed config to a cell: its identity, its axes, and what is refused."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from experiments.app.schema import FrontPage
from experiments.core.cell import SweepFolder
from experiments.core.errors import ConfigurationError, describe
from experiments.training.cells import Cell, flatten, identity, read_checkpoint
from experiments.training.settings import ModelSettings, TrainerSettings

#: groups whose option name is an axis of the table
GROUPS = ("activation", "loss", "initializer", "data", "optimizer", "probe", "metric")
#: groups of which a cell has exactly one option
SINGLE = ("activation", "loss", "initializer", "data", "optimizer", "probe")


def cell_of(plain: Mapping[str, Any], choices: Mapping[str, str | None]) -> Cell:
    """The cell that a composed config describes.

    Args:
        plain: the resolved config without the hydra node, in plain containers.
        choices: the option name of every group.

    Raises:
        CheckpointError: if a starting checkpoint is named and cannot be read.
        ConfigurationError: for a key that nothing reads, several options of one group, or a head
            together with another loss or link.
    """
    _require_known(plain)
    _require_one_option(choices)
    _require_one_head(choices, plain)
    checkpoint = None if plain["checkpoint"] is None else Path(plain["checkpoint"])
    if checkpoint is not None:
        read_checkpoint(checkpoint)
    return _cell(identity(_without_unused_sizes(plain), checkpoint), plain, choices)


def cell_or_refusal(plain: Mapping[str, Any], choices: Mapping[str, str | None]) -> Cell:
    """The same for a job of a sweep: a refused config becomes a cell to be recorded as failed."""
    try:
        return cell_of(plain, choices)
    except ConfigurationError as error:
        cell = _cell(identity({**plain, "refused": plain["checkpoint"]}), plain, choices)
        return replace(cell, refusal=error)


def _cell(cell: str, plain: Mapping[str, Any], choices: Mapping[str, str | None]) -> Cell:
    folder = SweepFolder(Path(plain["runs_dir"]) / plain["name"]).cell(cell)
    return Cell(cell, plain, axes(plain, choices), folder)


def _without_unused_sizes(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config without sizes that another setting overrides, which make no difference."""
    model = dict(plain["model"])
    if model["hidden"] is not None:
        model |= {"depth": None, "width": None}
    if model["parameters"] is not None:
        model["width"] = None
    return {**plain, "model": model}


def _require_one_option(choices: Mapping[str, str | None]) -> None:
    """Hydra would merge a list of option files into one, and only the last would be trained."""
    for group in SINGLE:
        if not isinstance(choices.get(group), str):
            remedy = f"to compare several, sweep: -m {group}=a,b"
            raise ConfigurationError(describe(f"no single {group}", "one option file", remedy))


def _require_known(plain: Mapping[str, Any]) -> None:
    """A key that was added with + to the front page would be kept but never read."""
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
    """A head sets a loss and its link; another loss beside it would only take the link."""
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
    """Columns of the table: every group by its option name, every setting by its config key.

    Sizes are those in force: with model.hidden its length, and with model.parameters no width, since
    every depth has its own.
    """
    shown: dict[str, Any] = {group: choices.get(group) for group in GROUPS}
    for key, value in flatten(config).items():
        if key.endswith("._partial_") or key in ("name", "runs_dir", "study") or "logger" in key:
            continue
        if key.endswith("._target_"):
            owner = key.removesuffix("._target_")
            if owner.startswith("data."):  # a function, such as data.target
                shown[owner] = str(value).rpartition(".")[2]
            continue
        if isinstance(value, list):
            if any(isinstance(item, Mapping) for item in value):
                continue  # objects, such as the ledger's quantities: they are in config.yaml
            value = json.dumps(value)
        shown[key] = value
    hidden = config["model"]["hidden"]
    if config["model"]["parameters"] is not None:
        shown["model.width"] = None
    if hidden is not None:
        shown["model.depth"] = len(hidden)
        shown["model.width"] = hidden[0] if len(set(hidden)) == 1 else None
    return shown
