"""What every generated regression set shares: three parts drawn afresh, noise on the training targets."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.dataset import Dataset, Split, Splits
from experiments.core.errors import ConfigurationError, describe
from experiments.core.seeding import DATA, stream


@dataclass(frozen=True, kw_only=True)
class RegressionDataset(Dataset):
    """Real targets from a formula: t = f(x) + noise e, e ~ N(0, 1), noise in the training part only.

    Validation and test targets are exact, so their mean squared error is the risk of the fit and
    not the variance of the noise.

    Args:
        seed: of every draw on the data; each part has its own stream, so a longer validation part
            does not change the training part.
        train_examples: examples of the training part, from 1.
        validation: examples of the validation part, from 0.
        test: examples of the test part, from 0.
        noise: standard deviation of the noise on the training targets, from 0.

    Raises:
        ConfigurationError: for a setting outside its range.
    """

    seed: int = 0
    train_examples: int = 1000
    validation: int = 500
    test: int = 1000
    noise: float | int = 0.0

    task = "regression"

    def __post_init__(self) -> None:
        at_least("train_examples", self.train_examples, 1)
        at_least("validation", self.validation, 0)
        at_least("test", self.test, 0)
        at_least("noise", self.noise, 0)
        stream(self.seed, DATA)

    @abstractmethod
    def inputs(self, examples: int, generator: torch.Generator) -> Float[Tensor, "{examples} n_in"]:
        """Independent draws of x, float32."""

    @abstractmethod
    def values(self, x: Float[Tensor, "examples n_in"]) -> Float[Tensor, "examples n_out"]:
        """f(x), exact."""

    @final
    def load(self) -> Splits:
        """The three parts; equal settings share one copy in memory, so nobody may write to it."""
        return _drawn(self)


@lru_cache(maxsize=2)
def _drawn(dataset: RegressionDataset) -> Splits:
    def part(name: str, examples: int, noise: float | int) -> Split:
        generator = stream(dataset.seed, f"{DATA}/{name}")
        x = dataset.inputs(examples, generator)
        t = dataset.values(x)
        return Split(x=x, t=t + noise * torch.randn(t.shape, generator=generator))

    return Splits(
        train=part("train", dataset.train_examples, dataset.noise),
        val=part("validation", dataset.validation, 0.0),
        test=part("test", dataset.test, 0.0),
    )


def at_least(name: str, value: float | int, least: int) -> None:
    """Refuse a number below ``least``, or one that is not finite.

    Raises:
        ConfigurationError: before anything is drawn.
    """
    if not (math.isfinite(value) and value >= least):
        raise ConfigurationError(
            describe(f"{name}={value!r}", f"a finite number from {least}", f"give {name}={least}")
        )
