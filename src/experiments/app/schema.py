"""The typed front page: a misspelt key or a wrong type is refused by name before anything runs."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from experiments.training.settings import ModelSettings, TrainerSettings


@dataclass
class FrontPage:
    """Everything a run is told. Groups hold one option file each; the rest is set here."""

    activation: Any = MISSING
    loss: Any = MISSING
    initializer: Any = MISSING
    data: Any = MISSING
    model: ModelSettings = field(default_factory=ModelSettings)
    optimizer: Any = MISSING
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    probe: Any = MISSING
    metric: Any = MISSING
    logger: Any = MISSING
    seed: int = 0
    name: str = MISSING
    runs_dir: str = MISSING
    checkpoint: str | None = None
    study: str = MISSING


def register() -> None:
    """Make the schema known to Hydra under the name config.yaml begins with."""
    ConfigStore.instance().store(name="schema", node=FrontPage)
