"""Numbers that users give: which are taken, and in which words the others are refused."""

import math
import re

import numpy as np
import pytest
import torch

from experiments.core.errors import ConfigurationError
from experiments.core.finite import finite
from experiments.core.whole import integer_if_whole, is_whole, whole


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2), torch.tensor(2)], ids=repr)
def test_integers_of_every_library_are_whole(value) -> None:
    """They come back as Python's own."""
    assert is_whole(value, 2)
    assert type(whole("n", value, 0)) is int
    assert whole("n", value, 0) == 2


@pytest.mark.parametrize(
    "value",
    [True, np.True_, torch.tensor(True), 2.0, np.float32(2), torch.tensor(2.0), "2", None, 1, [2]],
    ids=repr,
)
def test_anything_else_is_refused_by_name(value) -> None:
    """Booleans of every library, floats that are near an integer, text, and what is too small."""
    assert not is_whole(value, 2)
    with pytest.raises(ConfigurationError, match=r"found n=.*expected an integer from 2; .*n=2"):
        whole("n", value, 2)


@pytest.mark.parametrize("value", [1.5, 1, np.float32(1.5), np.int64(1), -3.0], ids=repr)
def test_real_numbers_of_every_library_are_finite_numbers(value) -> None:
    """They come back as Python's own float, with no bound unless one is set."""
    assert type(finite("s", value)) is float
    assert finite("s", value) == value


@pytest.mark.parametrize("value", [True, np.True_, "1.5", None, math.nan, math.inf, 1j, -0.5])
def test_numbers_that_are_not_finite_or_too_small_are_refused_by_name(value) -> None:
    """The message names the setting, the bound and a number that would do."""
    with pytest.raises(
        ConfigurationError, match=r"found s=.*a finite number of 0 or more; give s=1"
    ):
        finite("s", value, low=0.0)


@pytest.mark.parametrize(
    ("low", "below"),
    [(0.0, 1.0), (2.0, math.inf), (2.0, 3.0), (0.0, 0.05), (-math.inf, -3.0), (-math.inf, 0.5)],
)
def test_the_number_that_a_refusal_suggests_would_do(low: float, below: float) -> None:
    """Between its bounds, whatever they are; the upper one itself is refused."""
    for value in (low - 1, below, math.nan):
        with pytest.raises(ConfigurationError) as refused:
            finite("s", value, low=low, below=below)
        (suggested,) = re.findall(r"give s=(\S+), say", str(refused.value))
        assert low <= finite("s", float(suggested), low=low, below=below) < below


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3.0, 3), (-2.0, -2), (2.0**60, 2**60), (0.5, 0.5), (math.inf, math.inf), ("3.0", "3.0")],
    ids=repr,
)
def test_only_floats_without_a_fraction_become_integers(value, expected) -> None:
    """Large ones too, and to the last digit; infinity and text stay as they are."""
    found = integer_if_whole(value)
    assert (found, type(found)) == (expected, type(expected))
