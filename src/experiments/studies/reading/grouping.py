"""Lists of networks, verdicts and figures: in groups, and without what is missing."""

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key")


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Items by key; keys and items keep the order in which they come.

    >>> grouped(["tanh", "relu", "identity", "rectifier"], lambda name: name[0])
    {'t': ['tanh'], 'r': ['relu', 'rectifier'], 'i': ['identity']}
    """
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def present(*items: Item | None) -> tuple[Item, ...]:
    """The verdicts or figures that there is something to say or draw for; None stands for the others.

    >>> present("depth profile", None, "learning curves")
    ('depth profile', 'learning curves')
    """
    return tuple(item for item in items if item is not None)


def without_first(label: str, axes: int) -> str:
    """The label of a configuration without the values of its first axes.

    >>> without_first("tanh · glorot · width 64", 2), without_first("tanh · glorot", 2)
    ('width 64', '')
    """
    return " · ".join(label.split(" · ")[axes:])
