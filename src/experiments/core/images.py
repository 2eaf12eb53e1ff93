"""Image sets in the format of MNIST: four IDX files in a folder, or a download from OpenML."""

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import final

import torch
from jaxtyping import UInt8
from torch import Tensor

from experiments.core.classification import ClassificationDataset
from experiments.core.dataset import Split
from experiments.core.errors import DataError, describe
from experiments.core.idx import read_idx

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_SIDE = 28
_CLASSES = 10
_PUBLISHED_TRAINING = 60_000

#: images and labels for training, images and labels for the test, as unsigned bytes
_Bytes = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class ImageDataset(ClassificationDataset):
    """Grey images of 28 x 28 pixels in ten classes, 60,000 for training and 10,000 for the test.

    x in [0, 1]^784 (grey values 0 .. 255 divided by 255) before standardisation. The test part is
    the published one, and a seventh of all, 10,000 of the 70,000, validates; the other arguments are
    those of ClassificationDataset.

    Args:
        folder: the folder with the four files, plain or gzipped, or a torchvision root that contains it.
            None tries the usual places, then OpenML.
        data_home: the cache of scikit-learn for OpenML; None is its default, ``~/scikit_learn_data``.
    """

    folder: str | Path | None = None
    data_home: str | Path | None = None
    validation: float | int = 1 / 7

    features = _SIDE * _SIDE
    outputs = _CLASSES

    @property
    @abstractmethod
    def torchvision_folder(self) -> str:
        """The folder of the files in torchvision, relative to its root."""

    @property
    @abstractmethod
    def usual_places(self) -> tuple[str, ...]:
        """Folders that are searched if none is given."""

    @property
    @abstractmethod
    def openml_name(self) -> str:
        """The name of the data set on openml.org, version 1."""

    @property
    @abstractmethod
    def remedy(self) -> str:
        """How to get the files."""

    @final
    def pool_and_test(self) -> tuple[Split, Split]:
        train_x, train_t, test_x, test_t = self._find()
        return _split(train_x, train_t), _split(test_x, test_t)

    @final
    def at_hand(self) -> tuple[Path, ...] | None:
        """The four files, if one of the searched folders contains them all; otherwise None."""
        for place in self._places():
            files = [_existing(place, name) for name in FILES]
            existing = tuple(file for file in files if file is not None)
            if len(existing) == len(FILES):
                return existing
        return None

    def _places(self) -> tuple[Path, ...]:
        if self.folder is None:
            return tuple(map(Path, self.usual_places))
        root = Path(self.folder).expanduser()
        return root, root / self.torchvision_folder

    def _find(self) -> _Bytes:
        files, places = self.at_hand(), self._places()
        if files is not None:
            return _from_files(*files)
        missing = [[name for name in FILES if _existing(place, name) is None] for place in places]
        fewest = min(missing, key=len)
        absent = f"no {', '.join(fewest)} (plain or .gz) in {' or '.join(map(str, places))}"
        if self.folder is not None:
            raise DataError(describe(absent, "all four files in one folder", self.remedy))
        try:
            return _from_openml(self.openml_name, self.data_home)
        except (OSError, HTTPException) as error:
            cause = f"{absent}, and no answer from OpenML ({type(error).__name__}: {error})"
            expected = "the four files in one folder, or a connection"
            raise DataError(describe(cause, expected, self.remedy)) from error


def _existing(place: Path, name: str) -> Path | None:
    try:
        return next(p for p in (place / name, place / f"{name}.gz") if p.is_file())
    except (StopIteration, OSError):  # no such file, or a folder without permission
        return None


@lru_cache(maxsize=2)
def _from_files(*files: Path) -> _Bytes:
    train_x, train_t, test_x, test_t = map(read_idx, files)
    for x, t, where in ((train_x, train_t, files[0]), (test_x, test_t, files[2])):
        if x.ndim != 3 or x.shape[1:] != (_SIDE, _SIDE) or t.shape != x.shape[:1] or len(x) == 0:
            raise DataError(
                describe(
                    f"images {tuple(x.shape)} in {where} and labels {tuple(t.shape)} beside it",
                    f"images (N, {_SIDE}, {_SIDE}) and labels (N,)",
                    "the files do not belong together: get all four from one source",
                )
            )
        if int(t.max()) >= _CLASSES:
            found, expected = f"label {int(t.max())} beside {where}", "labels 0 to 9"
            raise DataError(describe(found, expected, "get the four files from one source"))
    return train_x, train_t, test_x, test_t


@lru_cache(maxsize=2)
def _from_openml(name: str, data_home: str | Path | None) -> _Bytes:
    from sklearn.datasets import fetch_openml  # imported here because it takes a second

    with warnings.catch_warnings():
        # the DataError that follows says the same, with a remedy
        warnings.filterwarnings("ignore", message="A network error occurred")
        entries, labels = fetch_openml(
            name, version=1, as_frame=False, return_X_y=True, data_home=data_home, n_retries=1
        )
    x, t = (torch.as_tensor(array.astype("uint8")) for array in (entries, labels))
    pool, test = slice(None, _PUBLISHED_TRAINING), slice(_PUBLISHED_TRAINING, None)
    return x[pool], t[pool], x[test], t[test]


def _split(x: UInt8[Tensor, "examples *pixels"], t: UInt8[Tensor, " examples"]) -> Split:
    return Split(x=x.flatten(1).float().div_(255), t=t.long())
