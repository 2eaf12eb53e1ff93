"""The common part of generated regression data sets: three independent parts, noise in training."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from experiments.core.dataset import Dataset, Split, Splits
from experiments.core.finite import finite
from experiments.core.seeding import DATA, stream
from experiments.core.whole import whole


@dataclass(frozen=True, kw_only=True)
class RegressionDataset(Dataset):
    """Targets from a formula: t = f(x) + noise e, e ~ N(0, 1), with noise in the training part only.

    Validation and test targets are exact, so their mean squared error measures the fit and does not
    include the variance of the noise.

    Args:
        seed: seed of all random numbers of the data; each part has its own stream, so the size of the
            validation part does not change the training part.
        train_examples: number of examples in the training part, >= 1.
        validation: number of examples in the validation part, >= 0.
        test: number of examples in the test part, >= 0.
        noise: standard deviation of the noise of the training targets, >= 0.

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
        whole("train_examples", self.train_examples, 1)
        whole("validation", self.validation, 0)
        whole("test", self.test, 0)
        finite("noise", self.noise, low=0.0)
        stream(self.seed, DATA)

    @abstractmethod
    def inputs(self, examples: int, generator: torch.Generator) -> Float[Tensor, "{examples} n_in"]:
        """Independent draws of x, float32."""

    @abstractmethod
    def values(self, x: Float[Tensor, "examples n_in"]) -> Float[Tensor, "examples n_out"]:
        """f(x), without noise."""

    @final
    def load(self) -> Splits:
        """The three parts; equal settings share one copy in memory, which must not be modified."""
        with torch.device("cpu"):
            return _drawn(self)


@lru_cache(maxsize=2)
def _drawn(dataset: RegressionDataset) -> Splits:
    def part(name: str, examples: int, noise: float | int) -> Split:
        generator = stream(dataset.seed, f"{DATA}/{name}")
        x = dataset.inputs(examples, generator)
        t = dataset.values(x)
        deviation = torch.randn(t.shape, dtype=torch.float32, generator=generator)
        return Split(x=x, t=t + noise * deviation)

    return Splits(
        train=part("train", dataset.train_examples, dataset.noise),
        val=part("validation", dataset.validation, 0.0),
        test=part("test", dataset.test, 0.0),
    )
