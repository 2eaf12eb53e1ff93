"""What a refused override may have meant: Hydra names the key it does not know, but not the one it has."""

import argparse
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import yaml

from experiments.app.conf_dir import conf_dir
from experiments.app.schema import FrontPage

#: suggestions for one override
MOST = 3
#: how similar a name must be, from 0 to 1, and by how much less than the most similar one
SIMILAR, AS_SIMILAR = 0.6, 0.1
#: what others call our keys and options
ELSEWHERE = {
    "learning_rate": "lr",
    "eta": "lr",
    "steps": "max_steps",
    "epochs": "max_steps",
    "max_epochs": "max_steps",
    "layers": "depth",
    "hidden_size": "width",
    "bce": "binary_cross_entropy",
    "ce": "cross_entropy",
    "cuda": "gpu",
    "kaiming": "he",
    "mse": "mean_squared_error",
    "xavier": "glorot",
}


def suggestions(arguments: Sequence[str]) -> Iterator[str]:
    """A sentence for every override whose key or option nobody knows, if something similar exists.

    Args:
        arguments: of the command line; overrides that add, delete or speak to Hydra are left alone. The
            options of a ``--config-dir`` are known.

    Example:
        >>> for line in suggestions(["depth=3", "activation=rleu", "seed=0", "data.frobnicate=1"]):
        ...     print(line)
        instead of depth=3, did you mean model.depth=3?
        instead of activation=rleu, did you mean activation=relu?
        >>> print(*suggestions(["max_epochs=10"]))
        instead of max_epochs=10, did you mean trainer.max_steps, which counts steps and not epochs?
    """
    flags = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags.add_argument("--config-dir", "-cd", type=Path)
    own, overrides = flags.parse_known_args(list(arguments))
    folders = (conf_dir(),) if own.config_dir is None else (conf_dir(), own.config_dir)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or key[:1] in "+~-" or key.startswith("hydra."):
            continue
        similar = [f"{key}={other}" for other in _options_like(key, value, folders)]
        similar = similar or [_set_to(value, other, key) for other in _keys_like(key, folders)]
        if similar:
            yield f"instead of {override}, did you mean {' or '.join(similar[:MOST])}?"


def _set_to(value: str, key: str, unknown: str) -> str:
    """A known key with the value of an unknown one; without it, if that counts something else."""
    if key == "trainer.max_steps" and "epoch" in unknown:
        return f"{key}, which counts steps and not epochs"
    return f"{key}={value}"


def _options_like(group: str, chosen: str, folders: tuple[Path, ...]) -> list[str]:
    """A choice of a group's options with the first that does not exist replaced."""
    is_name = group.replace("/", "").isalpha()
    known = [path.stem for path in _files(group, folders)] if is_name else []
    unknown = [name for name in chosen.strip("[]").split(",") if name not in known]
    if not known or not unknown:
        return []
    return [chosen.replace(unknown[0], name) for name in _like(unknown[0], known)]


def _keys_like(key: str, folders: tuple[Path, ...]) -> list[str]:
    """Keys that resemble an unknown one in their last name; short ones first."""
    known = _keys(folders)
    if key in known or any((folder / key).is_dir() for folder in folders):
        return []
    leaves = {other: other.rpartition(".")[2] for other in known}
    alike = _like(key.rpartition(".")[2], list(dict.fromkeys(leaves.values())))
    found = [other for other, leaf in leaves.items() if leaf in alike]
    return sorted(found, key=lambda other: other.count("."))


def _like(name: str, known: Sequence[str]) -> list[str]:
    same = ELSEWHERE.get(name, name)
    if same in known:
        return [same]
    near = difflib.get_close_matches(name, known, MOST, SIMILAR)
    score = [difflib.SequenceMatcher(None, other, name).ratio() for other in near]
    return [other for other, mine in zip(near, score, strict=True) if mine > score[0] - AS_SIMILAR]


def _files(group: str, folders: tuple[Path, ...]) -> list[Path]:
    return sorted(path for folder in folders for path in (folder / group).glob("*.yaml"))


@cache
def _keys(folders: tuple[Path, ...]) -> list[str]:
    """Every key that the front page or any option file has, with dots."""
    known: dict[str, None] = {}
    for field in fields(FrontPage):
        known[field.name] = None
        if is_dataclass(field.default_factory):
            known |= {f"{field.name}.{inner.name}": None for inner in fields(field.default_factory)}
        if field.name == "study":
            continue  # its option files set keys of the front page
        for path in _files(field.name, folders):
            page = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            known |= {f"{field.name}.{name}": None for name in page if name != "_target_"}
    return list(known)
