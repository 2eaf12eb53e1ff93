"""Where a sweep came from: its study, name, command and config."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.core.cell import SweepFolder
from experiments.core.errors import ConfigurationError, describe

#: the study of a sweep without study.json
DEFAULT_STUDY = "experiments.studies.Sweep"


@dataclass(frozen=True)
class Provenance:
    """The contents of study.json.

    Args:
        study: dotted path of the study's class.
        name: the sweep's name.
        command: the command line that made it; empty if it is not known.
        config: the config of the cells before their axes are set.
        changed: the settings that the command gave beside the study's own, as it gave them.
    """

    study: str
    name: str
    command: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    changed: tuple[str, ...] = ()


def read_provenance(folder: Path) -> Provenance:
    """Read study.json; without one, a plain sweep named after its folder.

    Raises:
        ConfigurationError: if study.json exists and cannot be read.
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
            changed=tuple(map(str, held.get("changed") or ())),
        )
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            describe(
                f"an unreadable {path} ({error})",
                "a JSON object with study, name, command, config, changed",
                "delete it to read the folder as a plain sweep, or run the training command again",
            )
        ) from error
