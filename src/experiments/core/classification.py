"""What every labelled data set shares: validation part, training size, imbalance, label noise."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import final, get_args

import torch

from experiments.core.dataset import Dataset, Split, Splits
from experiments.core.errors import ConfigurationError, describe
from experiments.core.seeding import DATA, stream
from experiments.core.splitting import (
    Standardize,
    examples_for,
    flip_labels,
    hold_out,
    standardized,
    thin,
)


@dataclass(frozen=True, kw_only=True)
class ClassificationDataset(Dataset):
    """Class indices for targets. A room says where its examples come from; the rest is here.

    In this order: the test part is set aside, then the validation part, both with the class shares
    of the whole; training examples are thinned; their labels, and no others, are made noisy; inputs
    are standardised by what is left for training.

    Args:
        seed: of every draw on the data: generation, split, noise, each with its own stream.
        validation: examples of the validation part; a float is a share of all examples.
        standardize: ``"per_feature"``, ``"global"`` (one mean and scale for all features) or
            ``"none"``.
        train_examples: training examples to keep, class shares unchanged; None keeps all.
        imbalance: largest class over smallest class in the training part, from 1.
        label_noise: share of the training labels that are wrong, from 0 to below 1.

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
        _require(
            self.standardize in get_args(Standardize),
            "standardize",
            self.standardize,
            "'per_feature', 'global' or 'none'",
            "global",
        )
        _require(
            self.train_examples is None or self.train_examples >= 1,
            "train_examples",
            self.train_examples,
            "null or a whole number from 1",
            "null",
        )
        _require(
            math.isfinite(self.imbalance) and self.imbalance >= 1,
            "imbalance",
            self.imbalance,
            "a finite ratio from 1",
            "1.0",
        )
        _require(
            0 <= self.label_noise < 1,
            "label_noise",
            self.label_noise,
            "a share from 0 to below 1",
            "0.0",
        )
        stream(self.seed, DATA)

    @abstractmethod
    def pool_and_test(self) -> tuple[Split, Split]:
        """Examples to train and validate on, and the test part: published, or held out of the pool.

        Raises:
            DataError: if the files cannot be read; the message says how to get them.
        """

    @final
    def load(self) -> Splits:
        pool, test = self.pool_and_test()
        count = examples_for("validation", self.validation, total=len(pool) + len(test))
        train, val = hold_out(pool, count, self.draws("validation"))
        train = thin(train, self.train_examples, self.imbalance, self.draws("thinning"))
        train = flip_labels(train, self.label_noise, self.outputs, self.draws("noise"))
        return standardized(Splits(train=train, val=val, test=test), self.standardize)

    @final
    def test_held_out(self, pool: Split, test: float | int) -> tuple[Split, Split]:
        """For data sets without a published test part: draw one."""
        return hold_out(pool, examples_for("test", test, total=len(pool)), self.draws("test"))

    @final
    def draws(self, purpose: str) -> torch.Generator:
        """A generator for one purpose: more noise does not move the split."""
        return stream(self.seed, f"{DATA}/{purpose}")


def _require(holds: bool, name: str, found: object, expected: str, example: str) -> None:
    if not holds:
        raise ConfigurationError(describe(f"{name}={found!r}", expected, f"give {name}={example}"))
