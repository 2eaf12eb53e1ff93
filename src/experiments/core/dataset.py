"""Contract of a data set: three splits as tensors in memory, and declared facts."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Split:
    """One part of a data set: ``x`` (examples, n_1); ``t`` class indices or values (examples, n_L)."""

    x: Float[Tensor, "examples n_in"]
    t: Num[Tensor, "examples *n_out"]

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def to(self, dtype: torch.dtype, device: torch.device | str = "cpu") -> "Split":
        """The same examples in this type and on this device; class indices stay integers."""
        target_dtype = dtype if self.t.is_floating_point() else self.t.dtype
        return Split(self.x.to(device, dtype), self.t.to(device, target_dtype))


@dataclass(frozen=True)
class Splits:
    """Training, validation and test parts; standardisation was fitted on ``train``.

    The parts are disjoint, unless a data set is told to use its training points as ``val``, too (Higham).
    ``val`` and ``test`` may be empty; a mean over an empty part is NaN.
    """

    train: Split
    val: Split
    test: Split

    @property
    def bytes(self) -> int:
        """Memory of all parts in bytes."""
        parts = (self.train, self.val, self.test)
        return sum(tensor.nbytes for part in parts for tensor in (part.x, part.t))


class Dataset(ABC):
    """A source of examples with targets. Loading is deterministic: equal arguments give equal tensors."""

    task: Task

    @property
    @abstractmethod
    def features(self) -> int:
        """n_1."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """n_L: number of classes, or of target values."""

    @abstractmethod
    def load(self) -> Splits:
        """Read or generate the three splits, in float32 on the CPU.

        Raises:
            DataError: if the files cannot be read; the message says how to get them.
        """
