"""Digits: 1,797 handwritten digits of 8 x 8 pixels, shipped with scikit-learn.

::

    x in [0, 1]^64 (counts 0 .. 16 divided by 16),   t in {0, ..., 9}

Small enough for sweeps over hundreds of networks, and real data on which losses differ. Three of the 64
pixels are zero in every image.

References:
    Alpaydin & Kaynak (1998), UCI "Optical Recognition of Handwritten Digits", its test part.
"""

from dataclasses import dataclass
from functools import cache

import torch

from experiments.core.classification import ClassificationDataset
from experiments.core.dataset import Split


@dataclass(frozen=True, kw_only=True)
class Digits(ClassificationDataset):
    """The digits of scikit-learn; other arguments as in ClassificationDataset.

    Args:
        test: number of examples in the test part, drawn with ``seed``; a float is a share of all examples.

    Raises:
        ConfigurationError: for a setting outside its range.

    Example:
        >>> splits = Digits(validation=200, test=300).load()
        >>> len(splits.train), len(splits.val), len(splits.test)
        (1297, 200, 300)
    """

    test: float | int = 0.15

    features = 64
    outputs = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_size("test")

    def pool_and_test(self) -> tuple[Split, Split]:
        return self.with_test_part(_digits(), self.test)


@cache
def _digits() -> Split:
    from sklearn.datasets import load_digits  # imported here because it takes a second

    x, t = load_digits(return_X_y=True)
    return Split(x=torch.as_tensor(x / 16, dtype=torch.float32), t=torch.as_tensor(t))
