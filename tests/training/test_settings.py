"""What a training run refuses to be told."""

import pytest
import torch
from tests.app.composing import cell, vary

from experiments.app.build import stack_of
from experiments.core.errors import ConfigurationError
from experiments.training.settings import ModelSettings, TrainerSettings

BAD = [
    ("max_steps", -1),
    ("batch_size", 0),
    ("batch_size", -5),
    ("sampling", "sorted"),
    ("evaluations", 0),
    ("patience", 0),
    ("min_delta", -1e-3),
    ("min_delta", float("nan")),
    ("l1", -0.1),
    ("l1", float("inf")),
    ("l2", float("nan")),
    ("accelerator", "tpu"),
    ("precision", "8-true"),
    ("engine", "magic"),
    ("numba", "sometimes"),
    ("subnormals", "ignore"),
    ("threads", 0),
    ("stack_memory", 0),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda v: str(v))
def test_a_trainer_setting_out_of_range_is_named(name, value) -> None:
    """The message has the key as the user types it, the value found, and what is allowed."""
    with pytest.raises(ConfigurationError, match=rf"found trainer\.{name}=.*; expected .*; "):
        TrainerSettings(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("depth", -1), ("width", 0), ("hidden", [3, 0])])
def test_a_size_out_of_range_is_named(name, value) -> None:
    """Depth starts at 0, a linear model; a layer has at least one neuron."""
    with pytest.raises(ConfigurationError, match=rf"found model\.{name}=.*; expected .*; "):
        ModelSettings(**{name: value})


def test_explicit_widths_take_the_place_of_depth_times_width() -> None:
    """hidden=[2,3] is the Higham network's inside; without it depth and width speak."""
    assert ModelSettings(hidden=[2, 3]).widths(2, 2) == (2, 2, 3, 2)
    assert ModelSettings(depth=2, width=5).widths(1, 4) == (1, 5, 5, 4)
    assert ModelSettings(depth=0).widths(8, 3) == (8, 3)


def test_a_batch_is_at_most_the_whole_split() -> None:
    """As a DataLoader's; drawn with replacement it has its size whatever the data have."""
    assert TrainerSettings(batch_size=64).batch(100) == 64
    assert (
        TrainerSettings(batch_size=64).batch(10) == TrainerSettings(batch_size=None).batch(10) == 10
    )
    assert TrainerSettings(batch_size=64, sampling="replacement").batch(10) == 64


@pytest.mark.parametrize("seed", [-1, True])
def test_what_is_no_seed_is_refused_before_anything_is_built(seed) -> None:
    """A seed is an integer from 0."""
    (one,) = vary(cell(), {"seed": [seed]})
    with pytest.raises(ConfigurationError, match="expected an integer from 0"):
        stack_of([one])


def test_memory_bounds_the_number_of_runs() -> None:
    """Twice the memory holds twice the runs, a smaller net more of them, and one always fits."""

    def largest(*overrides: str) -> int:
        return stack_of([cell(*overrides)]).largest(100)

    base = largest("trainer.stack_memory=10")
    assert largest("trainer.stack_memory=20") == pytest.approx(2 * base, abs=2)
    assert largest("trainer.stack_memory=10", "model.width=100") < base
    assert largest("trainer.stack_memory=1", "model.width=3000") == 1


def test_a_stack_leaves_half_of_a_small_gpu_free(monkeypatch) -> None:
    """Where nothing is said of memory it is 16 GiB on a GPU that has room for twice as much."""

    def largest(free: int, *overrides: str) -> int:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free * 2**30, 80 * 2**30))
        return stack_of([cell("model.width=32", *overrides)]).largest(100)

    monkeypatch.setattr(TrainerSettings, "on_gpu", True)
    whole = largest(80, "trainer.stack_memory=16384")
    assert largest(80) == largest(32) == whole
    assert largest(8) == pytest.approx(whole / 4, abs=1)
    assert largest(8, "trainer.stack_memory=16384") == whole


def test_a_stack_is_as_large_as_is_fast_where_nothing_is_said() -> None:
    """On a CPU one layer of all runs takes 2 MiB; depth counts only from 256 MiB on."""

    def largest(*overrides: str) -> int:
        batch = "trainer.batch_size=64"
        return stack_of([cell("model.width=32", batch, *overrides)]).largest(1000)

    layer = 4 * (64 * (32 + 32) + 32 * 32)  # float32
    assert largest("model.depth=4") == largest("model.depth=40") == 2**21 // layer
    assert largest("model.depth=4", "model.width=128") == 16
    assert largest("model.depth=1000") < largest("model.depth=4") / 4
    assert largest("model.depth=4", "trainer.stack_memory=256") > 1000
