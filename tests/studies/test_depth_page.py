"""docs/depth.md: its commands are accepted, its pictures are there, its names exist."""

import re
import shlex
from pathlib import Path

import pytest
from tests.app.composing import composed

from experiments import backprop, theory
from experiments.theory import finite_width, mean_field

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "depth.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"python scripts/train\.py ([^`\n]+)", PAGE.replace("\\\n", " "))
PLACES = {
    "theory": theory,
    "backprop": backprop,
    "mean_field": mean_field,
    "finite_width": finite_width,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_composes(command: str) -> None:
    """As a reader types it; axes are taken one value at a time."""
    overrides = []
    for part in shlex.split(command):
        key, _, value = part.partition("=")
        first = value if value.startswith("range") else value.split(",")[0]
        overrides.append(f"{key}={0 if first.startswith('range') else first}")
    config, choices = composed(*overrides)
    assert choices["study"] == config["name"] or any(o.startswith("name=") for o in overrides)


@pytest.mark.parametrize("picture", re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE))
def test_a_picture_of_the_page_is_there(picture: str) -> None:
    """An SVG beside the page."""
    assert (ROOT / "docs" / picture).read_text(encoding="utf-8").lstrip().startswith("<?xml")


@pytest.mark.parametrize("name", re.findall(r"`(\w+\.\w+)[`(]", PAGE))
def test_a_name_of_the_page_exists(name: str) -> None:
    """What is written as ``module.name`` can be imported."""
    place, _, thing = name.partition(".")
    assert hasattr(PLACES[place], thing)
