"""Composing configs: of one run, or of a sweep, where jobs that only set leaves share a composition."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from itertools import permutations
from types import MappingProxyType
from typing import Any

import hydra
from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.app.conf_dir import conf_dir
from experiments.app.schema import register
from experiments.core.errors import ConfigurationError


class CachingLoader:
    """Hydra's config loader with a cache: one composition for every choice of option files.

    Jobs that choose the same option files differ only in leaves. Hydra composes the first; for the
    others the leaves of that config are set again, and its typed nodes check them as before. A job that
    adds or deletes keys, gives a mapping (which Hydra merges), or sets Hydra's own settings is always
    composed by Hydra.

    A returned config is valid until the next call, which may change it, and its hydra node is the job's
    only after ``Composition.number``. Hydra's sweeper only wants to know whether there is a config; the
    stacked launcher numbers it and converts it to plain containers at once.

    Args:
        loader: Hydra's own.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader: Any = loader
        self._composed: dict[tuple[tuple[str, ...], tuple[str, ...]], Composition] = {}
        self._parsed: dict[str, Override] = {}
        self._groups: dict[str, bool] = {}
        self._parser = OverridesParser.create(config_loader=loader)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """The config that Hydra's own loader would compose for one job, but for its hydra node."""
        return self.compose(master_config, sweep_overrides).config

    def compose(self, master_config: DictConfig, sweep_overrides: list[str]) -> "Composition":
        """The same, as a Composition."""
        overrides = [self._parse(line) for line in sweep_overrides]
        if any(map(_changes_more_than_leaves, overrides)):
            config = self._loader.load_sweep_config(master_config, sweep_overrides)
            return Composition(config, overrides, [])
        choices = tuple(o.input_line or "" for o in overrides if self._chooses(o))
        leaves = [o for o in overrides if not self._chooses(o)]
        known = (choices, tuple(sorted(o.key_or_group for o in leaves)))
        if known in self._composed:
            # Hydra itself then raises its own error
            with contextlib.suppress(OmegaConfBaseException):
                self._composed[known].set(overrides, leaves)
                return self._composed[known]
        config = self._loader.load_sweep_config(master_config, sweep_overrides)
        self._composed[known] = Composition(config, overrides, leaves)
        return self._composed[known]

    def _parse(self, line: str) -> Override:
        if line not in self._parsed:
            self._parsed[line] = self._parser.parse_override(line)
        return self._parsed[line]

    def _chooses(self, override: Override) -> bool:
        """Whether the override chooses an option file."""
        key = override.key_or_group
        if key not in self._groups:
            self._groups[key] = self._loader.repository.group_exists(key)
        return self._groups[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class Composition:
    """A config composed once, for all jobs that set the same leaves of it.

    Args:
        config: as Hydra composed it for the first of these jobs.
        overrides: of that job.
        leaves: those of them that do not choose an option file. All jobs give these keys, each with its
            own values.

    Attributes:
        config: of the current job; its hydra node is that of the last job that was numbered.
        overrides: of the current job, without Hydra's own.
        choices: the option name of every group.
    """

    def __init__(
        self, config: DictConfig, overrides: Sequence[Override], leaves: Sequence[Override]
    ) -> None:
        self.config = config
        self.choices: dict[str, str | None] = dict(config.hydra.runtime.choices)
        self.overrides: list[str] = list(config.hydra.overrides.task)
        self._told = self.overrides  # what Hydra's node says
        self._parsed = overrides
        keys = [leaf.key_or_group for leaf in leaves]
        self._lines = {leaf.key_or_group: leaf.input_line for leaf in leaves}
        self._independent = not any(_contains(*pair) for pair in permutations(keys, 2))
        self._constant = _constant(config, {key.partition(".")[0] for key in keys})
        OmegaConf.set_readonly(config.hydra, False)
        OmegaConf.set_struct(config.hydra, False)
        # looked up once: every access to a node takes as long as setting it
        self._job, self._task = config.hydra.job, config.hydra.overrides.task
        self._dirname: Any = OmegaConf.to_container(self._job.config.override_dirname)

    def set(self, overrides: Sequence[Override], leaves: Sequence[Override]) -> None:
        """Make it the config of another job; its hydra node follows with ``number``.

        Args:
            overrides: of the job.
            leaves: those of them that do not choose an option file.

        Raises:
            OmegaConfBaseException: if a node refuses its value.
        """
        for leaf in leaves:
            key, line = leaf.key_or_group, leaf.input_line
            # of leaves inside of another the last one wins, so then all are set in order
            if not self._independent or self._lines[key] != line:
                OmegaConf.update(self.config, key, leaf.value(), merge=True)
                self._lines[key] = line
        self._parsed = overrides
        self.overrides = [override.input_line or "" for override in overrides]

    def number(self, number: int) -> None:
        """Say in Hydra's node which job this is."""
        self._job.id = str(number)
        self._job.num = number
        if self.overrides == self._told:
            return
        self._job.override_dirname = get_overrides_dirname([*self._parsed], **self._dirname)
        for k, (before, line) in enumerate(zip(self._told, self.overrides, strict=True)):
            if line != before:  # setting the whole list would take as long as everything else
                self._task[k] = line
        self._told = self.overrides

    def plain(self) -> Mapping[str, Any]:
        """The config without its hydra node, resolved, in plain containers that jobs may share."""
        return plain(self.config, self._constant)


def _contains(key: str, other: str) -> bool:
    return f"{other}.".startswith(f"{key}.")


def _constant(config: DictConfig, changing: Collection[str]) -> Mapping[str, Any]:
    """Plain containers of the nodes that are equal for all jobs: not set, and without interpolation."""
    nodes: Any = OmegaConf.to_container(config, resolve=False)
    return {
        key: found
        for key, found in nodes.items()
        if key != "hydra" and key not in changing and "${" not in repr(found)
    }


def _changes_more_than_leaves(override: Override) -> bool:
    keys = override.is_add() or override.is_force_add() or override.is_delete()
    return keys or override.is_hydra_override() or isinstance(override.value(), dict)


def composed(overrides: Sequence[str]) -> tuple[Mapping[str, Any], Mapping[str, str | None]]:
    """The plain config that scripts/train.py would train with these overrides, and its option names.

    Raises:
        ConfigurationError: if Hydra refuses an override: an unknown key or option, a wrong type.
    """
    register()
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            config = hydra.compose("config", list(overrides), return_hydra_config=True)
        except HydraException as error:
            raise ConfigurationError(
                f"{error}; expected overrides as scripts/train.py takes them; see --help"
            ) from error
    return plain(config), config.hydra.runtime.choices


def plain(
    config: DictConfig, constant: Mapping[str, Any] = MappingProxyType({})
) -> Mapping[str, Any]:
    """A composed config without its hydra node, resolved, in plain containers.

    Args:
        config: as Hydra composed it.
        constant: those of the containers that are already known.
    """
    keys = [str(key) for key in config if key != "hydra"]
    return {key: constant[key] if key in constant else _resolved(config[key]) for key in keys}


def _resolved(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
