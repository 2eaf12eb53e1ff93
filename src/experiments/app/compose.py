"""Composing a sweep's configs: a job that only sets leaves need not be composed from files again."""

import copy
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write


class CachingLoader:
    """Hydra's loader, remembering for every choice of option files what it composed.

    Jobs that choose the same option files differ in leaves alone. The first is composed by Hydra;
    the others are copies of it with their leaves set, which the typed nodes check as before. A job
    that adds or deletes keys is composed by Hydra.

    Args:
        loader: Hydra's own.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader: Any = loader
        self._composed: dict[tuple[str, ...], tuple[frozenset[str], DictConfig]] = {}
        self._parser = OverridesParser.create(config_loader=loader)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """What Hydra's own loader would compose for one job."""
        overrides = self._parser.parse_overrides(sweep_overrides)
        groups = tuple(o.input_line or "" for o in overrides if self._chooses(o))
        leaves = [o for o in overrides if not self._chooses(o)]
        keys = frozenset(o.key_or_group for o in leaves)
        plain = all(not (o.is_add() or o.is_force_add() or o.is_delete()) for o in overrides)
        known = self._composed.get(groups)
        if not plain or known is None or known[0] != keys:
            config: DictConfig = self._loader.load_sweep_config(master_config, sweep_overrides)
            if plain:
                self._composed[groups] = (keys, config)
            return copy.deepcopy(config)
        config = copy.deepcopy(known[1])
        for leaf in leaves:
            if leaf.key_or_group.startswith("hydra."):
                with read_write(config.hydra):
                    OmegaConf.update(config, leaf.key_or_group, leaf.value(), merge=True)
            else:
                OmegaConf.update(config, leaf.key_or_group, leaf.value(), merge=True)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.overrides.task = [line for line in sweep_overrides if "hydra." not in line]
        return config

    def _chooses(self, override: Override) -> bool:
        """Whether the override names an option file."""
        is_group: bool = self._loader.repository.group_exists(override.key_or_group)
        return is_group and not isinstance(override.value(), dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
