"""Image sets in MNIST's layout: four IDX files in a folder, else scikit-learn's copy from OpenML."""

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


@dataclass(frozen=True, kw_only=True)
class ImageDataset(ClassificationDataset):
    """Grey images of 28 x 28 pixels in ten classes, 60,000 for training and 10,000 for the test.

    x in [0, 1]^784 (grey values 0 .. 255 divided by 255) before standardisation. The test part is
    the published one; the other arguments are those of ClassificationDataset.

    Args:
        folder: where the four files are, plain or gzipped: that folder, or a torchvision root with
            the files below it. None tries the usual places, then OpenML.
        data_home: scikit-learn's cache for OpenML; None is its default, ``~/scikit_learn_data``.
    """

    folder: str | Path | None = None
    data_home: str | Path | None = None
    validation: float | int = 10_000

    features = _SIDE * _SIDE
    outputs = _CLASSES

    @property
    @abstractmethod
    def torchvision_folder(self) -> str:
        """Where torchvision puts the files, seen from its root."""

    @property
    @abstractmethod
    def usual_places(self) -> tuple[str, ...]:
        """Folders to look in when none is named."""

    @property
    @abstractmethod
    def openml_name(self) -> str:
        """The name of the set on openml.org, in its version 1."""

    @property
    @abstractmethod
    def remedy(self) -> str:
        """How to get the files."""

    @final
    def pool_and_test(self) -> tuple[Split, Split]:
        named = self.usual_places if self.folder is None else (str(self.folder),)
        places = [
            place
            for root in map(Path, named)
            for place in (root.expanduser(), root.expanduser() / self.torchvision_folder)
        ]
        for place in places:
            files = tuple(_existing(place, name) for name in FILES)
            if None not in files:
                return _from_files(*files)
        missing = [name for name in FILES if _existing(places[0], name) is None]
        absent = f"no {', '.join(missing)} (plain or .gz) in {' or '.join(map(str, places))}"
        if self.folder is not None:
            raise DataError(describe(absent, "all four files in one folder", self.remedy))
        try:
            return _from_openml(self.openml_name, self.data_home)
        except (OSError, HTTPException) as error:
            cause = f"{absent}, and no answer from OpenML ({type(error).__name__}: {error})"
            expected = "the four files in one folder, or a connection"
            raise DataError(describe(cause, expected, self.remedy)) from error


def _existing(place: Path, name: str) -> Path | None:
    candidates = (place / name, place / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


@lru_cache(maxsize=2)
def _from_files(*files: Path) -> tuple[Split, Split]:
    parts = []
    for images, labels in (files[:2], files[2:]):
        x, t = read_idx(images), read_idx(labels)
        if x.ndim != 3 or x.shape[1:] != (_SIDE, _SIDE) or t.shape != x.shape[:1] or len(x) == 0:
            raise DataError(
                describe(
                    f"images {tuple(x.shape)} in {images}, labels {tuple(t.shape)} in {labels}",
                    f"images (N, {_SIDE}, {_SIDE}) and labels (N,)",
                    "the files do not belong together: get all four from one source",
                )
            )
        if int(t.max()) >= _CLASSES:
            raise DataError(
                describe(f"label {int(t.max())} in {labels}", "labels 0 to 9", "get the file again")
            )
        parts.append(_split(x, t))
    return parts[0], parts[1]


@lru_cache(maxsize=2)
def _from_openml(name: str, data_home: str | Path | None) -> tuple[Split, Split]:
    from sklearn.datasets import fetch_openml  # a second of import, only for those who need it

    x, t = fetch_openml(
        name, version=1, as_frame=False, return_X_y=True, data_home=data_home, n_retries=1
    )
    whole = _split(torch.as_tensor(x.astype("uint8")), torch.as_tensor(t.astype("uint8")))
    pool, test = (slice(None, _PUBLISHED_TRAINING), slice(_PUBLISHED_TRAINING, None))
    return Split(whole.x[pool], whole.t[pool]), Split(whole.x[test], whole.t[test])


def _split(x: UInt8[Tensor, "examples *pixels"], t: UInt8[Tensor, " examples"]) -> Split:
    return Split(x=x.flatten(1).float().div_(255), t=t.long())
