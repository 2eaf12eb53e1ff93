"""What the house consists of, found by looking."""

import ast
import functools
import importlib
import inspect
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "experiments"
CONF = ROOT / "conf"

#: conf group -> the folder of its rooms
ROOMS = {
    "activation": "activations",
    "loss": "losses",
    "initializer": "initializers",
    "data": "data",
    "optimizer": "training/optimizers",
    "logger": "training/loggers",
}


CONTRACTS = {
    "activation": "core.activation.Activation",
    "loss": "core.loss.Loss",
    "initializer": "core.initializer.Initializer",
    "data": "core.dataset.Dataset",
    "optimizer": "training.optimizers.optimizer.Optimizer",
    "logger": "core.logger.CellLogger",
}


@functools.cache
def modules() -> tuple[Path, ...]:
    """Every module of the package."""
    return tuple(sorted(SOURCES.rglob("*.py")))


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def dotted(path: Path) -> str:
    """The name under which a module of the package is imported."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package(group: str) -> ModuleType:
    """Where the rooms of a group are exported."""
    return importlib.import_module("experiments." + ROOMS[group].replace("/", "."))


def contract(group: str) -> type:
    """The abstract class that every room of a group fulfils."""
    module, _, name = f"experiments.{CONTRACTS[group]}".rpartition(".")
    found: type = getattr(importlib.import_module(module), name)
    return found


def is_a_room(thing: object, group: str) -> bool:
    """Whether a public name is a finished room, and not a contract, a function or a shared base."""
    return (
        inspect.isclass(thing)
        and issubclass(thing, contract(group))
        and not inspect.isabstract(thing)
        and not thing.__name__.startswith("_")
    )


@functools.cache
def rooms(group: str) -> dict[str, type]:
    """File name -> the class that it defines, for every exported room of the group's folder."""
    exports = package(group)
    things = [getattr(exports, name) for name in exports.__all__]
    return {
        thing.__module__.rpartition(".")[2]: thing for thing in things if is_a_room(thing, group)
    }


def groups() -> list[str]:
    """Every config group of the project, nested ones by their path."""
    return sorted({str(path.parent.relative_to(CONF)) for path in CONF.rglob("*.yaml")} - {"."})


def options(group: str) -> dict[str, Path]:
    """Option name -> its file."""
    return {path.stem: path for path in sorted((CONF / group).glob("*.yaml"))}


def all_options() -> list[Path]:
    """Every option file."""
    return [path for group in groups() for path in options(group).values()]


def name_of(path: Path) -> str:
    """``group/option``, for test ids."""
    return str(path.relative_to(CONF).with_suffix(""))


def nodes(path: Path) -> list[dict[str, Any]]:
    """Every node of an option file that names a class or function, interpolations unresolved."""
    found: list[dict[str, Any]] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if "_target_" in node:
                found.append(node)
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(OmegaConf.to_container(OmegaConf.load(path)))
    return found


def object_at(target: str) -> Any:
    """What a ``_target_`` names."""
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Every file under version control; in an unpacked archive, every file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        names = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        kept = ("src", "conf", "tests", "scripts", "docs")
        names = [path for folder in kept for path in (ROOT / folder).rglob("*")]
    return tuple(path for path in names if path.is_file() and "__pycache__" not in path.parts)
