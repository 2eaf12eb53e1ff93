"""Settings of labelled data sets that are refused, and when."""

import math

import pytest

from experiments.core.errors import ConfigurationError, DataError
from experiments.data import MNIST1D, Digits, OnePoint, Rings, Spirals, Teacher, UnitCube


@pytest.mark.parametrize(
    ("room", "options"),
    [
        (Digits, {"label_noise": 1.0}),
        (Digits, {"label_noise": -0.1}),
        (Digits, {"label_noise": math.nan}),
        (Digits, {"imbalance": 0.5}),
        (Digits, {"imbalance": math.inf}),
        (Digits, {"train_examples": 0}),
        (Digits, {"validation": 1.5}),
        (Digits, {"validation": 1.0}),
        (Digits, {"test": -0.1}),
        (Rings, {"test": 1.0}),
        (Rings, {"validation": math.nan}),
        (Digits, {"seed": -1}),
        (MNIST1D, {"generation_seed": -1}),
        (MNIST1D, {"generation_seed": 2**32}),
        (Rings, {"classes": 1}),
        (Rings, {"examples": 1}),
        (Spirals, {"noise": -0.1}),
        (Spirals, {"turns": math.inf}),
    ],
    ids=str,
)
def test_bad_settings_are_refused_at_construction(room, options) -> None:
    """Before any file is read, naming the setting and what it was."""
    ((name, value),) = options.items()
    with pytest.raises(ConfigurationError, match=f"{name}={value}"):
        room(**options)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"validation": 0.6, "test": 0.5}, "1078 examples to hold out of 899"),
        ({"test": 1797}, "test=1797"),
        ({"train_examples": 1300}, "train_examples=1300"),
    ],
    ids=str,
)
def test_parts_that_do_not_fit_are_refused(options, found) -> None:
    """When the number of examples is known, a DataError says what does not fit."""
    with pytest.raises(DataError, match=found):
        Digits(**options).load()


@pytest.mark.parametrize(
    ("room", "name"),
    [
        (Digits, "train_examples"),
        (Rings, "examples"),
        (Rings, "classes"),
        (MNIST1D, "generation_seed"),
        (Teacher, "train_examples"),
        (Teacher, "validation"),
        (Teacher, "test"),
        (Teacher, "features"),
        (Teacher, "outputs"),
        (Teacher, "teacher_depth"),
        (Teacher, "teacher_width"),
        (UnitCube, "dimension"),
    ],
)
@pytest.mark.parametrize("bad", [100.5, True])
def test_a_number_of_things_is_whole(room, name, bad) -> None:
    """Half an example is refused at construction; arange(100.5) would have made 101 in silence."""
    dataset = room()
    object.__setattr__(dataset, name, bad)  # the tests' own annotations would refuse it earlier
    with pytest.raises(ConfigurationError, match=f"{name}={bad}"):
        dataset.__post_init__()


@pytest.mark.parametrize(
    ("room", "name"),
    [
        (Digits, "label_noise"),
        (Digits, "imbalance"),
        (Rings, "noise"),
        (Spirals, "turns"),
        (OnePoint, "x"),
        (OnePoint, "t"),
    ],
)
def test_text_where_a_number_belongs_is_refused_by_name(room, name) -> None:
    """As a command line may give it."""
    dataset = room()
    object.__setattr__(dataset, name, "high")  # the tests' own annotations would refuse it earlier
    with pytest.raises(ConfigurationError, match=f"found {name}='high'"):
        dataset.__post_init__()
