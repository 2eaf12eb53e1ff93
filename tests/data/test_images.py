"""MNIST and Fashion-MNIST: where files are looked for, and what is said when they are not there."""

import shutil

import numpy as np
import pytest
import sklearn.datasets
import torch
from tests.data.fabricated import NAMES, write_idx, write_images

from experiments.core import images
from experiments.core.errors import DataError
from experiments.core.splitting import examples_for
from experiments.data import MNIST, FashionMNIST


@pytest.mark.parametrize("room", [MNIST, FashionMNIST])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("below", ["", "torchvision"])
def test_files_are_found_and_read(room, suffix, below, tmp_path) -> None:
    """Plain or gzipped, in the folder or below a torchvision root; grey values over 255."""
    place = f"{room.__name__}/raw" if below else "."
    write_images(tmp_path / place, suffix=suffix)
    dataset = room(folder=tmp_path, validation=0, standardize="none")
    splits = dataset.load()
    images = np.random.default_rng(0).integers(0, 256, (200, 28, 28))
    expected = torch.as_tensor(images.reshape(200, 784) / 255).float()
    torch.testing.assert_close(splits.train.x, expected, rtol=0, atol=1e-7)
    assert splits.train.t.tolist() == [i % 10 for i in range(200)]
    assert (len(splits.val), len(splits.test)) == (0, 50)


@pytest.mark.parametrize("room", [MNIST, FashionMNIST])
def test_a_seventh_validates(room, tmp_path) -> None:
    """10,000 of the 70,000, and as large a part of a few images."""
    write_images(tmp_path, train=600, test=100)
    splits = room(folder=tmp_path).load()
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [500, 100, 100]
    assert examples_for("validation", room.validation, total=70_000) == 10_000


@pytest.mark.parametrize("room", [MNIST, FashionMNIST])
def test_missing_files_are_named_with_a_remedy(room, tmp_path) -> None:
    """The message names the folders, the files that are missing there, and how to get them."""
    write_images(tmp_path)
    (tmp_path / f"{NAMES[1]}.gz").unlink()
    with pytest.raises(DataError) as error:
        room(folder=tmp_path).load()
    message = str(error.value)
    assert f"no {NAMES[1]} (plain or .gz) in {tmp_path}" in message
    assert NAMES[0] not in message
    assert "data.folder=PATH" in message
    assert ("dataset-fashion-mnist" in message) == (room is FashionMNIST)


def test_the_missing_file_is_named_where_the_others_are(tmp_path) -> None:
    """Below a torchvision root three of four files are there: the fourth is missing, not all four."""
    write_images(tmp_path / "MNIST/raw")
    (tmp_path / "MNIST/raw" / f"{NAMES[3]}.gz").unlink()
    with pytest.raises(DataError, match=f"found no {NAMES[3]} "):
        MNIST(folder=tmp_path).load()


def test_a_named_folder_never_reaches_for_the_network(tmp_path, monkeypatch) -> None:
    """OpenML is asked only when no folder is named."""
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(DataError, match="no train-images"):
        MNIST(folder=tmp_path / "nowhere").load()


def test_openml_is_the_last_resort(tmp_path, monkeypatch) -> None:
    """Without a folder scikit-learn's copy is used: the first 60,000, and the rest for the test."""
    assert images._PUBLISHED_TRAINING == 60_000
    monkeypatch.setattr(images, "_PUBLISHED_TRAINING", 60)
    asked = {}

    def fetch(name, **options):
        asked.update(name=name, **options)
        x = np.zeros((70, 784), dtype=np.int64)
        x[:, 0] = np.arange(70)
        return x, np.array([str(i % 10) for i in range(70)], dtype=object)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    monkeypatch.setattr(FashionMNIST, "usual_places", ("data/FashionMNIST/raw",))
    home = tmp_path / "home"
    splits = FashionMNIST(data_home=home, validation=0, standardize="none").load()
    assert (asked["name"], asked["version"], asked["data_home"]) == ("Fashion-MNIST", 1, home)
    assert (len(splits.train), len(splits.test)) == (60, 10)
    assert torch.equal(splits.test.t, torch.arange(10))
    assert float(splits.test.x[0, 0]) == pytest.approx(60 / 255)


def test_neither_files_nor_network(tmp_path, monkeypatch) -> None:
    """Both failures are in one message, the network's as the cause."""

    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)
    monkeypatch.setattr(MNIST, "usual_places", ("data/MNIST/raw",))
    with pytest.raises(DataError, match="no route to host") as error:
        MNIST(data_home=tmp_path / "other").load()
    assert isinstance(error.value.__cause__, OSError)
    assert "data/MNIST/raw" in str(error.value)


def test_the_usual_places_come_first(tmp_path, monkeypatch) -> None:
    """torchvision's folder under ./data is found without being named."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data/MNIST/raw", train=100, test=20)
    assert len(MNIST(validation=0.25).load().train) == 70


def test_files_that_do_not_belong_together(tmp_path) -> None:
    """Fewer labels than images, other image sizes, labels above 9, no images: a DataError each."""
    damages = {
        "labels": (NAMES[1], np.arange(199) % 10),
        "size": (NAMES[2], np.zeros((50, 32, 32))),
        "label 10": (NAMES[3], np.arange(50) % 11),
        "none": (NAMES[0], np.zeros((0, 28, 28))),
    }
    for k, (name, entries) in enumerate(damages.values()):
        folder = tmp_path / str(k)
        write_images(folder, suffix="")
        write_idx(folder / name, entries)
        with pytest.raises(DataError, match="from one source"):
            MNIST(folder=folder).load()
        shutil.rmtree(folder)
