"""The common part of classification data sets: validation split, size, imbalance, label noise."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import final, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from experiments.core.dataset import Dataset, Split, Splits
from experiments.core.errors import ConfigurationError, describe
from experiments.core.finite import finite
from experiments.core.seeding import DATA, stream
from experiments.core.splitting import (
    Standardize,
    examples_for,
    flip_labels,
    hold_out,
    is_size,
    standardized,
    thin,
)
from experiments.core.whole import is_whole


@dataclass(frozen=True, kw_only=True)
class ClassificationDataset(Dataset):
    """A data set whose targets are class indices. A subclass only provides the examples.

    They are prepared in this order: the test part and then the validation part are held out, with the class
    shares of the whole; training examples are thinned; label noise is added to the training labels only;
    inputs are standardised with the statistics of the remaining training part.

    Args:
        seed: seed of all random numbers of the data; generation, split and noise have their own streams.
        validation: number of examples in the validation part; a float is a share of all examples.
        standardize: ``"per_feature"``, ``"global"`` (one mean and scale for all features) or
            ``"none"``.
        train_examples: number of training examples to keep, with unchanged class shares; None keeps all.
        imbalance: size of the largest class over that of the smallest in the training part, >= 1.
        label_noise: share of wrong training labels, in [0, 1).

    Raises:
        ConfigurationError: for a setting outside its range.
    """

    seed: int = 0
    validation: float | int = 0.15
    standardize: Standardize = "global"
    train_examples: int | None = None
    imbalance: float | int = 1.0
    label_noise: float | int = 0.0

    task = "classification"

    def __post_init__(self) -> None:
        self.require_size("validation")
        choices = get_args(Standardize)
        self.require("standardize", self.standardize in choices, f"one of {', '.join(choices)}")
        valid = self.train_examples is None or is_whole(self.train_examples, 1)
        self.require("train_examples", valid, "null, or a whole number from 1")
        finite("imbalance", self.imbalance, low=1.0)
        finite("label_noise", self.label_noise, low=0.0, below=1.0)
        stream(self.seed, DATA)

    @abstractmethod
    def pool_and_test(self) -> tuple[Split, Split]:
        """The pool for training and validation, and the test part, published or held out from the pool.

        Raises:
            DataError: if the files cannot be read; the message says how to get them.
        """

    @final
    def load(self) -> Splits:
        """The three parts; equal settings share one copy in memory, which must not be modified."""
        with torch.device("cpu"):
            return _prepared(self)

    @final
    def with_test_part(self, pool: Split, test: float | int) -> tuple[Split, Split]:
        """Split a random test part off the pool, for data sets without a published one."""
        return hold_out(pool, examples_for("test", test, total=len(pool)), self.draws("test"))

    @final
    def require(self, name: str, holds: bool, expected: str) -> None:
        """Refuse a setting, named in the message, unless a condition holds.

        Raises:
            ConfigurationError: unless ``holds``.
        """
        if not holds:
            found = f"{name}={getattr(self, name)!r}"
            raise ConfigurationError(describe(found, expected, f"change {name}"))

    @final
    def require_size(self, name: str) -> None:
        """Refuse a setting that cannot be the size of a part for any number of examples.

        Raises:
            ConfigurationError: for anything but a whole number from 0 or a share from 0 to below 1.
        """
        expected = "a whole number from 0, or a share from 0 to below 1"
        self.require(name, is_size(getattr(self, name)), expected)

    @final
    def draws(self, purpose: str) -> torch.Generator:
        """A generator for one purpose, so that, for instance, more noise does not change the split."""
        return stream(self.seed, f"{DATA}/{purpose}")


@dataclass(frozen=True, kw_only=True)
class GeneratedClassification(ClassificationDataset):
    """Labelled points from a formula; a subclass defines where the points of each class are.

    Args:
        examples: number of points in all parts together; class sizes differ by at most one.
        classes: number of classes K, >= 2.
        noise: standard deviation of the normal noise added to every coordinate, >= 0.
        test: number of examples in the test part; a float is a share of all examples.

    Raises:
        ConfigurationError: for a setting outside its range.
    """

    examples: int = 2000
    classes: int = 2
    noise: float | int = 0.05
    test: float | int = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_size("test")
        self.require("classes", is_whole(self.classes, 2), "a whole number from 2")
        enough = is_whole(self.examples, self.classes)
        self.require("examples", enough, f"a whole number from {self.classes}, one for each class")
        finite("noise", self.noise, low=0.0)

    @property
    def outputs(self) -> int:
        return self.classes

    @abstractmethod
    def points(
        self, t: Int64[Tensor, " examples"], generator: torch.Generator
    ) -> Float[Tensor, "examples n_in"]:
        """One point per label, without noise, in float32."""

    @final
    def pool_and_test(self) -> tuple[Split, Split]:
        t = torch.arange(self.examples) % self.classes
        generator = self.draws("generation")
        x = self.points(t, generator)
        deviation = torch.randn(x.shape, dtype=torch.float32, generator=generator)
        return self.with_test_part(Split(x=x + self.noise * deviation, t=t), self.test)


@lru_cache(maxsize=2)
def _prepared(dataset: ClassificationDataset) -> Splits:
    pool, test = dataset.pool_and_test()
    count = examples_for("validation", dataset.validation, total=len(pool) + len(test))
    train, val = hold_out(pool, count, dataset.draws("validation"))
    train = thin(train, dataset.train_examples, dataset.imbalance, dataset.draws("thinning"))
    train = flip_labels(train, dataset.label_noise, dataset.outputs, dataset.draws("noise"))
    return standardized(Splits(train=train, val=val, test=test), dataset.standardize)
