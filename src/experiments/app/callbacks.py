"""What the command line does around a run: check its folder, and remember where results go."""

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.app.place import require_place
from experiments.app.refusal import one_message
from experiments.app.report import study_of
from experiments.app.schema import FrontPage
from experiments.core.atomic import replacing
from experiments.core.cell import CellFolder, SweepFolder
from experiments.core.errors import ConfigurationError, describe

#: settings that a command cannot sweep over, and what to do instead
ONE = {
    "sweep": "to multiply axes, give a list: 'sweep=[depth,loss]'",
    "study": "run one command for each",
    "size": "run one command for each",
    "name": "leave it out: one table holds all cells of a sweep",
    "runs_dir": "leave it out: one table holds all cells of a sweep",
}


@dataclass
class Started:
    """A sweep folder that this process has started.

    Attributes:
        folder: where.
        study: dotted path of its class.
        config: the settings that its cells share.
        overrides: of the command.
        at: when it began, as time.time().
    """

    folder: SweepFolder
    study: str | None
    config: dict[str, Any]
    overrides: list[str]
    at: float


started: list[Started] = []


class OutputFolderCheck(Callback):
    """Checks the output folder before anything is written into it."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        _enter(config)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        with one_message():
            overrides = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
            _require_one_of_each(overrides)
            if config.hydra.sweeper._target_.endswith(".BasicSweeper"):
                _require_values(overrides)
        _enter(config)


def _enter(config: DictConfig) -> None:
    folder = Path(config.runs_dir) / config.name
    # Hydra turns exceptions of a callback into warnings, but lets SystemExit through
    with one_message():
        _require_whole(config)
        _require_size(config.hydra.runtime.choices)
        _require_name(config.name)
        require_place(folder, "set runs_dir or name to another place")
    shared = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    plain: dict[str, Any] = OmegaConf.to_container(shared, resolve=True)  # type: ignore[assignment]
    overrides = list(config.hydra.overrides.task)
    started.append(Started(SweepFolder(folder), config.study, plain, overrides, time.time()))


def _require_one_of_each(overrides: Sequence[Override]) -> None:
    """With several studies or sweep files, each would become a job that trains one cell."""
    for override in overrides:
        key = override.key_or_group
        if key in ONE and override.is_sweep_override():
            expected = f"one {key} for all jobs"
            raise ConfigurationError(describe(str(override.input_line), expected, ONE[key]))


def _require_values(overrides: Sequence[Override]) -> None:
    """Refuse what gives no values.

    An interval is for sweepers that choose values themselves; Hydra's own meets it with a traceback. A
    pattern chooses option files; for a setting, or without a match, no job would be made.
    """
    options = GlobalHydra.instance().config_loader().get_group_options
    for override in overrides:
        found, key = str(override.input_line), override.key_or_group
        remedy = f"list them: {key}=1,2,4 or 'range(1,5)'"
        if override.is_interval_sweep():
            raise ConfigurationError(describe(found, "values, one job for each", remedy))
        pattern = override.value()
        if isinstance(pattern, Glob) and not pattern.filter(options(key)):
            expected = "a pattern that option files match, or values"
            raise ConfigurationError(describe(found, expected, remedy))


def _require_whole(config: DictConfig) -> None:
    """A group that is deleted, or given an empty list, leaves its key without a value."""
    for key in (field.name for field in fields(FrontPage)):
        if key not in config:
            remedy = f"leave ~{key} out, or set {key}"
            raise ConfigurationError(describe(f"no {key}", "every key of the front page", remedy))


def _require_size(choices: Mapping[str, str | None]) -> None:
    """Hydra does not require the file of a study's size, and would train the usual size instead."""
    size, study = choices["size"], choices["study"]
    known = GlobalHydra.instance().config_loader().get_group_options("size/of")
    if size != "default" and f"{study}_{size}" not in known:
        expected = f"a study with a file conf/size/of/STUDY_{size}.yaml"
        raise ConfigurationError(
            describe(
                f"size={size} with study={study}", expected, "leave size out, or write the file"
            )
        )


def _require_name(name: str) -> None:
    """Results of ``name=.`` would lie among the folders of other sweeps, of ``name=..`` outside of them."""
    path = Path(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        expected = "the name of a folder below runs_dir"
        raise ConfigurationError(
            describe(f"name={name}", expected, "give name=mine, say, and another place as runs_dir")
        )


def require_one_folder(cells: Sequence[CellFolder]) -> None:
    """Refuse cells outside the folder of this command, which would be missing from its tables.

    Raises:
        ConfigurationError: if ``runs_dir`` or ``name`` follows an axis.
    """
    if not started:  # in a worker process
        return
    folder = started[-1].folder
    for cell in cells:
        if cell.path.parent != folder.cells:
            raise ConfigurationError(
                describe(
                    f"a cell in {cell.path.parent.parent}",
                    f"cells in one folder, {folder.path}",
                    "give runs_dir and name without an axis",
                )
            )


def announce() -> None:
    """Write study.json first, so that a report can be made even if the sweep is killed.

    Exits if there is no such study, before anything is trained.
    """
    for sweep in started:
        with one_message():
            study_of(
                sweep.study, "correct study, or export the class in experiments/studies/__init__"
            )
        sweep.folder.path.mkdir(parents=True, exist_ok=True)
        provenance = {
            "study": sweep.study,
            "name": sweep.folder.path.name,
            "command": shlex.join(["python", *sys.argv]),
            "config": sweep.config,
            "changed": [line for line in sweep.overrides if _changes_what_is_computed(line)],
        }
        with replacing(sweep.folder.study) as draft:  # another process may be reading it
            draft.write_text(json.dumps(provenance, indent=1), encoding="utf-8")


def _changes_what_is_computed(override: str) -> bool:
    """Whether a setting makes other networks; more or fewer seeds of the same are no change.

    >>> [_changes_what_is_computed(line) for line in ("trainer.max_steps=9", "seed=0,1", "name=here")]
    [True, False, False]
    """
    from experiments.training.cells import enters_identity

    key = override.partition("=")[0].lstrip("+~")
    return enters_identity(key) and key not in ("size", "seed") and not key.startswith("hydra/")
