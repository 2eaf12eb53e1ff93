"""Composing configs: one run's, or a sweep's, where jobs that only set leaves share what was composed."""

from collections.abc import Mapping, Sequence
from typing import Any

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from experiments.app.conf_dir import conf_dir
from experiments.app.schema import register
from experiments.core.errors import ConfigurationError


class CachingLoader:
    """Hydra's loader, remembering for every choice of option files what it composed.

    Jobs that choose the same option files differ in leaves alone. The first is composed by Hydra;
    for the others the leaves of that config are set again, which its typed nodes check as before. A
    job that adds or deletes keys, or gives a mapping (which is merged into what is there), is
    composed by Hydra.

    The config that is returned is lent: the next call may change it. Hydra's sweeper looks at it and
    lets it go; the stacked launcher turns it into plain containers at once.

    Args:
        loader: Hydra's own.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader: Any = loader
        self._composed: dict[tuple[tuple[str, ...], frozenset[str]], DictConfig] = {}
        self._parsed: dict[str, Override] = {}
        self._groups: dict[str, bool] = {}
        self._parser = OverridesParser.create(config_loader=loader)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """What Hydra's own loader would compose for one job."""
        overrides = [self._parse(line) for line in sweep_overrides]
        if any(map(_changes_more_than_leaves, overrides)):
            return self._by_hydra(master_config, sweep_overrides)
        choices = tuple(o.input_line or "" for o in overrides if self._chooses(o))
        leaves = [o for o in overrides if not self._chooses(o)]
        known = (choices, frozenset(o.key_or_group for o in leaves))
        if known not in self._composed:
            self._composed[known] = self._by_hydra(master_config, sweep_overrides)
            return self._composed[known]
        config = self._composed[known]
        with read_write(config.hydra), open_dict(config.hydra):
            try:
                for leaf in leaves:
                    OmegaConf.update(config, leaf.key_or_group, leaf.value(), merge=True)
            except OmegaConfBaseException:  # to be refused in Hydra's own words
                return self._by_hydra(master_config, sweep_overrides)
            tasks = [o.input_line for o in overrides if not o.key_or_group.startswith("hydra")]
            config.hydra.overrides.task = tasks
        return config

    def _by_hydra(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        config: DictConfig = self._loader.load_sweep_config(master_config, sweep_overrides)
        return config

    def _parse(self, line: str) -> Override:
        if line not in self._parsed:
            self._parsed[line] = self._parser.parse_override(line)
        return self._parsed[line]

    def _chooses(self, override: Override) -> bool:
        """Whether the override names an option file."""
        key = override.key_or_group
        if key not in self._groups:
            self._groups[key] = self._loader.repository.group_exists(key)
        return self._groups[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _changes_more_than_leaves(override: Override) -> bool:
    keys = override.is_add() or override.is_force_add() or override.is_delete()
    return keys or isinstance(override.value(), dict)


def composed(overrides: Sequence[str]) -> tuple[Mapping[str, Any], Mapping[str, str | None]]:
    """The plain config that scripts/train.py would train with these overrides, and its option names.

    Raises:
        ConfigurationError: for what Hydra refuses: an unknown key or option, a wrong type.
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


def plain(config: DictConfig) -> Mapping[str, Any]:
    """A composed config without its hydra node, resolved, in plain containers."""
    return {
        str(key): OmegaConf.to_container(config[key], resolve=True)
        if OmegaConf.is_config(config[key])
        else config[key]
        for key in config
        if key != "hydra"
    }
