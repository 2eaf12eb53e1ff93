"""What every data set must do, asked of every room with its default arguments.

Rooms are discovered from the package folder; those that read files get fabricated ones.
"""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch
from tests.data.fabricated import write_images

import experiments.data
from experiments.core import classification, regression
from experiments.core.classification import ClassificationDataset
from experiments.core.dataset import Dataset
from experiments.core.images import ImageDataset

MODULES = [
    importlib.import_module(f"experiments.data.{name}")
    for _, name, _ in pkgutil.iter_modules(experiments.data.__path__)
]
ROOMS = [
    cls
    for module in MODULES
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Dataset) and cls.__module__ == module.__name__
]
LABELLED = [room for room in ROOMS if issubclass(room, ClassificationDataset)]
SEEDED = [room for room in ROOMS if "seed" in inspect.signature(room).parameters]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Fabricated image files, for the rooms that read some."""
    path = tmp_path_factory.mktemp("images")
    write_images(path)
    return path


@pytest.fixture
def make(folder):
    """A room with its defaults, except where files and their number are concerned."""

    def build(room, **options):
        files = {"folder": folder, "validation": 30} if issubclass(room, ImageDataset) else {}
        return room(**(files | options))

    return build


def parts(dataset):
    """The three parts in order."""
    splits = dataset.load()
    return [splits.train, splits.val, splits.test]


def rows(part):
    """The inputs as a set."""
    return {row.numpy().tobytes() for row in part.x}


@pytest.mark.parametrize("room", ROOMS)
def test_tensors_have_the_declared_shape_and_type(room, make) -> None:
    """x is float32 (N, n_1), finite; t is class indices below n_L, or float32 values (N, n_L)."""
    dataset = make(room)
    features, outputs = dataset.features, dataset.outputs
    assert len(dataset.load().train) > 0
    for part in parts(dataset):
        assert part.x.dtype == torch.float32
        assert part.x.shape == (len(part), features)
        assert part.x.isfinite().all()
        assert part.x.is_contiguous()
        assert len(part.t) == len(part)
        if dataset.task == "classification":
            assert part.t.dtype == torch.int64
            assert part.t.ndim == 1
            assert ((part.t >= 0) & (part.t < outputs)).all()
        else:
            assert part.t.dtype == torch.float32
            assert part.t.shape == (len(part), outputs)
            assert part.t.isfinite().all()


@pytest.mark.parametrize("room", ROOMS)
def test_parts_are_disjoint(room, make) -> None:
    """No training input is a validation or test input."""
    train, val, test = map(rows, parts(make(room)))
    assert not train & val
    assert not train & test
    assert not val & test


@pytest.mark.parametrize("room", ROOMS)
def test_loading_is_deterministic_and_private(room, make) -> None:
    """Equal arguments give equal tensors, and no global random stream is used."""
    first = parts(make(room))
    classification._prepared.cache_clear()
    regression._drawn.cache_clear()
    torchs, numpys = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    second = parts(make(room))
    assert all(
        torch.equal(a.x, b.x) and torch.equal(a.t, b.t) for a, b in zip(first, second, strict=True)
    )
    assert torch.equal(torchs, torch.random.get_rng_state())
    assert (numpys == np.random.get_state()[1]).all()  # noqa: NPY002


@pytest.mark.parametrize("room", ROOMS)
def test_the_default_type_and_device_change_nothing(room, make) -> None:
    """float32 on the CPU, and the same numbers, whatever torch makes tensors of by default."""
    expected = parts(make(room))
    classification._prepared.cache_clear()
    regression._drawn.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            found = parts(make(room))
    finally:
        torch.set_default_dtype(torch.float32)
        classification._prepared.cache_clear()
        regression._drawn.cache_clear()
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.x.dtype, ours.x.device.type) == (torch.float32, "cpu")
        assert torch.equal(ours.x, theirs.x)
        assert torch.equal(ours.t, theirs.t)


@pytest.mark.parametrize("room", SEEDED)
def test_the_seed_chooses_the_examples(room, make) -> None:
    """Another seed, another training part; 0 is a seed like any other."""
    assert make(room).seed == 0
    zero, one = (rows(make(room, seed=s).load().train) for s in (0, 1))
    assert zero != one


@pytest.mark.parametrize("room", LABELLED)
@pytest.mark.parametrize("how", ["per_feature", "global"])
def test_standardised_training_inputs(room, how, make) -> None:
    """Mean 0 and variance 1 over the training part: of each feature that varies, or of all."""
    x = make(room, standardize=how).load().train.x.double()
    axes = (0,) if how == "per_feature" else (0, 1)
    spread = x.std(axes, correction=0)
    assert x.mean(axes).abs().max() < 1e-4
    assert ((spread - 1).abs() < 1e-4)[spread > 0].all()


@pytest.mark.parametrize("room", LABELLED)
def test_label_noise_stays_in_the_training_part(room, make) -> None:
    """Half of the training labels change, nothing else does."""
    clean, noisy = parts(make(room)), parts(make(room, label_noise=0.5))
    assert int((clean[0].t != noisy[0].t).sum()) == round(len(clean[0]) / 2)
    for a, b in zip(clean, noisy, strict=True):
        assert torch.equal(a.x, b.x)
    for a, b in zip(clean[1:], noisy[1:], strict=True):
        assert torch.equal(a.t, b.t)


@pytest.mark.parametrize("room", LABELLED)
def test_a_thinned_training_part_leaves_the_others(room, make) -> None:
    """40 examples are 40 examples of the full training part; validation and test stay."""
    options = {"standardize": "none"}
    whole, few = parts(make(room, **options)), parts(make(room, train_examples=40, **options))
    assert len(few[0]) == 40
    assert rows(few[0]) <= rows(whole[0])
    for a, b in zip(whole[1:], few[1:], strict=True):
        assert torch.equal(a.x, b.x)
