"""OnePoint: a single example, for a neuron that learns to map one input to one output.

::

    x = 1,   t = 0

A neuron sigmoid(w x + b) that starts at w = b = 2 gives .98, but the target is 0: how fast does it learn? All
steps use the same example, so its path can be followed by hand.

References:
    Nielsen (2015), chapter 3, "the cross-entropy cost function".
"""

from dataclasses import dataclass

import torch

from experiments.core.dataset import Dataset, Split, Splits
from experiments.core.finite import finite


@dataclass(frozen=True, kw_only=True)
class OnePoint(Dataset):
    """One example, for training; the validation and test parts are empty.

    Args:
        x: the input, finite.
        t: the target, finite; in [0, 1] for a cross-entropy.

    Raises:
        ConfigurationError: for a number that is not finite.

    Example:
        >>> OnePoint().load().train
        Split(x=tensor([[1.]]), t=tensor([[0.]]))
    """

    x: float | int = 1.0
    t: float | int = 0.0

    task = "regression"
    features = 1
    outputs = 1

    def __post_init__(self) -> None:
        finite("x", self.x)
        finite("t", self.t)

    def load(self) -> Splits:
        x, t = torch.tensor([[[self.x]], [[self.t]]], dtype=torch.float32, device="cpu")
        train = Split(x=x, t=t)
        nothing = Split(x=train.x[:0], t=train.t[:0])
        return Splits(train=train, val=nothing, test=nothing)
