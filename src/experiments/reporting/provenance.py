"""Where a sweep came from: which study, under which name, by which command, with which config."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.core.cell import SweepFolder
from experiments.core.errors import ConfigurationError, describe

#: what reads a sweep of which nothing is written down
DEFAULT_STUDY = "experiments.studies.Sweep"


@dataclass(frozen=True)
class Provenance:
    """What study.json holds.

    Args:
        study: dotted path of the study's class.
        name: the sweep's name.
        command: the line that made it; empty where it was not written down.
        config: the config that the cells share before their axes are set.
    """

    study: str
    name: str
    command: str = ""
    config: dict[str, Any] = field(default_factory=dict)


def read_provenance(folder: Path) -> Provenance:
    """Read study.json; without one, an ad-hoc sweep named as its folder.

    Raises:
        ConfigurationError: if study.json is there and cannot be read.
    """
    path = SweepFolder(folder).study
    if not path.exists():
        return Provenance(DEFAULT_STUDY, folder.resolve().name)
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return Provenance(
            study=str(held.get("study") or DEFAULT_STUDY),
            name=str(held.get("name") or folder.resolve().name),
            command=str(held.get("command") or ""),
            config=dict(held.get("config") or {}),
        )
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            describe(
                f"{path} that cannot be read ({error})",
                "a JSON object with study, name, command, config",
                "delete it to read the folder as a plain sweep, or run the training command again",
            )
        ) from error
