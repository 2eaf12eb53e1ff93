"""Higham: the ten labelled points of a textbook example, two classes in the unit square.

::

    x1 = .1 .3 .1 .6 .4 | .6 .5 .9 .4 .7
    x2 = .1 .4 .5 .9 .2 | .3 .6 .2 .4 .6
           class 0           class 1            eleventh point: (.3, .7), class 1

The targets of the paper, (1, 0) and (0, 1), are the one-hot rows of these classes.

References:
    Higham & Higham (2019), "Deep Learning: An Introduction for Applied Mathematicians", section 2
    and, with the eleventh point, its second figure of a decision boundary.
"""

from dataclasses import dataclass

import torch

from experiments.core.dataset import Dataset, Split, Splits

_X1 = (0.1, 0.3, 0.1, 0.6, 0.4, 0.6, 0.5, 0.9, 0.4, 0.7)
_X2 = (0.1, 0.4, 0.5, 0.9, 0.2, 0.3, 0.6, 0.2, 0.4, 0.6)
_T = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Higham(Dataset):
    """Ten or eleven points, all for training; the validation and test parts are empty.

    Args:
        eleventh: add the point (.3, .7) of class 1, which changes the decision boundary.
        watched: also use the training points as the validation part. Its metrics say nothing about new
            points; they are the cost over all points, which a step on a single example does not give.

    Example:
        >>> splits = Higham().load()
        >>> len(splits.train), len(splits.val), splits.train.x[0]
        (10, 0, tensor([0.1000, 0.1000]))
    """

    eleventh: bool = False
    watched: bool = False

    task = "classification"
    features = 2
    outputs = 2

    def load(self) -> Splits:
        points, classes = list(zip(_X1, _X2, strict=True)), list(_T)
        if self.eleventh:
            points.append((0.3, 0.7))
            classes.append(1)
        x = torch.tensor(points, dtype=torch.float32, device="cpu")
        t = torch.tensor(classes, device="cpu")
        train, nothing = Split(x=x, t=t), Split(x=x[:0], t=t[:0])
        return Splits(train=train, val=train if self.watched else nothing, test=nothing)
