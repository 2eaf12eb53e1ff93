"""The shape of a network from its settings."""

import pytest
import torch

from experiments.activations import ReLU
from experiments.core.errors import ConfigurationError
from experiments.initializers import He
from experiments.models import MLP
from experiments.training.settings import ModelSettings


def _count(widths: tuple[int, ...]) -> int:
    """Weights and biases of a built network."""
    with torch.device("meta"):
        return sum(p.numel() for p in MLP(widths, ReLU(), He()).parameters())


@pytest.mark.parametrize("depth", [1, 2, 5, 20])
@pytest.mark.parametrize("wanted", [3_000, 20_000])
def test_no_other_width_comes_closer_to_the_wanted_parameters(depth: int, wanted: int) -> None:
    """The width chosen for a number of parameters, against its two neighbours, counted on networks."""
    widths = ModelSettings(depth=depth, width=7, parameters=wanted).widths(64, 10)
    assert len(widths) == depth + 2
    n = widths[1]
    off = {m: abs(_count((64, *[m] * depth, 10)) - wanted) for m in (n - 1, n, n + 1) if m > 0}
    assert off[n] == min(off.values())


def test_what_cannot_be_chosen_is_left_alone_or_refused() -> None:
    """A linear model has no width; a tiny budget gives width 1; two ways of saying it are refused."""
    assert ModelSettings(depth=0, parameters=5_000).widths(64, 10) == (64, 10)
    assert ModelSettings(depth=3, parameters=1).widths(64, 10) == (64, 1, 1, 1, 10)
    with pytest.raises(ConfigurationError, match=r"model\.parameters=0"):
        ModelSettings(parameters=0)
    with pytest.raises(ConfigurationError, match="one of the two"):
        ModelSettings(hidden=[3, 4], parameters=100)
