"""conf/ and the rooms say the same: names, arguments, exports; every option can be built."""

import dataclasses
import importlib
import inspect
import itertools
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tests.house.plan import (
    CONF,
    ROOMS,
    all_options,
    groups,
    is_a_room,
    name_of,
    nodes,
    object_at,
    options,
    package,
    rooms,
)

from experiments.app.build import make
from experiments.training.settings import ModelSettings, TrainerSettings

#: groups whose options are the fields of a typed node of the front page
TYPED = {"model": ModelSettings, "trainer": TrainerSettings}
#: Hydra's own keys
HYDRA = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
#: groups of which every key wants a word of explanation
EXPLAINED = (*ROOMS, *TYPED, "probe", "metric")

WITH_OBJECTS = [path for path in all_options() if nodes(path)]


@pytest.mark.parametrize("group", ROOMS)
def test_every_room_has_an_option_of_its_name(group) -> None:
    """One translation table less: the file's name is the option's name."""
    for name, room in rooms(group).items():
        assert name in options(group), f"no conf/{group}/{name}.yaml for {room.__name__}"
        targets = {node["_target_"].rpartition(".")[2] for node in nodes(options(group)[name])}
        assert room.__name__ in targets, f"conf/{group}/{name}.yaml is of {targets}"


@pytest.mark.parametrize("group", ROOMS)
def test_every_room_is_exported(group) -> None:
    """A finished room that is not exported, or shares its file with another, cannot be found."""
    home = package(group)
    for path in Path(home.__path__[0]).glob("*.py"):
        module = importlib.import_module(f"{home.__name__}.{path.stem}")
        here = {
            thing
            for thing in vars(module).values()
            if is_a_room(thing, group) and thing.__module__ == module.__name__
        }
        assert here == {room for name, room in rooms(group).items() if name == path.stem}


@pytest.mark.parametrize("path", WITH_OBJECTS, ids=name_of)
def test_a_target_is_a_public_export(path) -> None:
    """Rooms may move within their folder; configs saved with old runs still load."""
    for node in nodes(path):
        module, _, name = node["_target_"].rpartition(".")
        if module.startswith("experiments."):
            home = importlib.import_module(module)
            exported = getattr(home, "__all__", None) or [name]
            assert name in exported, f"{node['_target_']} is not exported"
            assert hasattr(home, name)


@pytest.mark.parametrize("path", WITH_OBJECTS, ids=name_of)
def test_an_option_writes_out_every_argument(path) -> None:
    """Nothing defaults silently, and the file documents the room."""
    for node in nodes(path):
        if "launcher" in str(path):
            continue
        signature = inspect.signature(object_at(node["_target_"]))
        wanted = {
            name
            for name, parameter in signature.parameters.items()
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        }
        if node.get("_partial_"):
            wanted -= {next(iter(signature.parameters))}
        assert set(node) - HYDRA == wanted, node["_target_"]


@pytest.mark.parametrize("group", TYPED)
def test_a_typed_option_writes_out_every_field(group) -> None:
    """And in the order of the fields, so that files can be compared line by line."""
    fields = [field.name for field in dataclasses.fields(TYPED[group])]
    for path in options(group).values():
        assert list(OmegaConf.load(path)) == fields, path.name


@pytest.mark.parametrize(
    "path",
    [path for path in WITH_OBJECTS if path.parent.name not in ("launcher", "sweep", "study", "of")],
    ids=name_of,
)
def test_every_option_can_be_built(path) -> None:
    """As it stands, beside the front page's own choices; data are not loaded."""
    page = {
        group: OmegaConf.load(next(iter(options(group).values())))
        for group in ("loss", "model", "trainer")
    }
    page["activation"] = OmegaConf.load(options("activation")["tanh"])
    group = path.relative_to(CONF).parts[0]
    page[group] = OmegaConf.load(path)
    config = OmegaConf.to_container(OmegaConf.create({**page, "seed": 0}), resolve=True)
    assert isinstance(config, dict)
    node = config[group]
    if "_target_" in node:
        assert make(node) is not None
    else:
        assert all(make(inner) is not None for inner in node.values())


@pytest.mark.parametrize(
    "path", [path for group in EXPLAINED for path in options(group).values()], ids=name_of
)
def test_every_key_is_explained(path) -> None:
    """A comment above each key, or above the keys that follow one another, and one for the file."""
    lines = path.read_text().splitlines()
    assert lines[0].startswith("#")
    for above, line in itertools.pairwise(lines):
        key = line.partition(":")[0]
        if line[:1].isalpha() and key not in HYDRA:
            assert above.strip(), f"{path.name}: nothing above {key}"
            assert "_target_" not in above, f"{path.name}: nothing above {key}"


def test_every_group_is_chosen_on_the_front_page() -> None:
    """A folder of options that the front page does not name cannot be used."""
    defaults = OmegaConf.to_container(OmegaConf.load(CONF / "config.yaml").defaults)
    named = {
        key.removeprefix("override ").removeprefix("optional ").lstrip("/")
        for entry in defaults
        if isinstance(entry, dict)
        for key in entry
    }
    assert {group for group in groups() if not group.startswith("hydra")} <= named


@pytest.mark.parametrize("path", options("sweep").values(), ids=name_of)
def test_a_sweep_file_is_one_axis(path) -> None:
    """So that axes multiply: ``sweep=[depth,loss]``."""
    option = OmegaConf.load(path)
    assert path.read_text().startswith("# @package _global_\n# ")
    assert set(option) == {"hydra"}
    assert option.hydra.mode == "MULTIRUN"
    assert len(option.hydra.sweeper.params) == 1


@pytest.mark.parametrize("path", all_options(), ids=name_of)
def test_an_option_file_is_lower_case_and_ends_with_a_line(path) -> None:
    """What a user types."""
    assert path.stem == path.stem.lower()
    assert path.read_text().endswith("\n")
    assert not path.read_text().endswith("\n\n")
