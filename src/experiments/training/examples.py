"""The examples of a stack: one data set for all runs, or one for each, all of one shape."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar, final

import torch
from torch import Tensor

from experiments.core.dataset import Split, Splits
from experiments.core.errors import ConfigurationError, describe

Part = Literal["train", "val", "test"]
Item = TypeVar("Item")

#: input numbers gathered at once; few enough that they are still in the cache when they are used
GATHERED = 2**15


@final
class Examples:
    """What R runs train on and are evaluated on, on one device.

    A data set that several runs share (the same object) is stored once.

    Args:
        splits: the parts of every run's data set, in order.
        dtype: of inputs and real targets.
        device: where they are stored.

    Raises:
        ConfigurationError: for data sets of different shapes.

    Attributes:
        size: training examples of one run, N.
    """

    def __init__(
        self,
        splits: Sequence[Splits],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        different = distinct(splits)
        _require_one_shape(different)
        self.size = len(splits[0].train)
        self._different = [
            Splits(*(part.to(dtype, device) for part in (own.train, own.val, own.test)))
            for own in different
        ]
        places = {id(own): place for place, own in enumerate(different)}
        self._which = [places[id(own)] for own in splits]
        trains = [own.train for own in self._different]
        self._x = torch.cat([train.x for train in trains]) if len(trains) > 1 else trains[0].x
        self._t = torch.cat([train.t for train in trains]) if len(trains) > 1 else trains[0].t
        self._starts = self.size * torch.tensor(self._which, device=device).unsqueeze(-1)

    @property
    def shared(self) -> bool:
        """Whether all runs have the same examples."""
        return len(set(self._which)) == 1

    def batches(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Every run's own examples, x (R, batch, n_1) and t (R, batch, ...), step by step.

        Small batches are gathered several at a time: one by one, gathering would take as long as the
        step.

        Args:
            order: indices into each run's training part, (steps, R, batch).
        """
        together = max(1, GATHERED // (order[0].numel() * self._x.shape[-1]))
        for index in order.split(together):
            rows = (index + self._starts).flatten()
            x = self._x.index_select(0, rows).view(*index.shape, -1)
            t = self._t.index_select(0, rows).view(*index.shape, *self._t.shape[1:])
            yield from zip(x.unbind(), t.unbind(), strict=True)

    def whole(self) -> tuple[Tensor, Tensor]:
        """The training part: x is (N, n_1) if the runs share it, else (R, N, n_1); t likewise."""
        if self.shared:
            train = self._different[self._which[0]].train
            return train.x, train.t
        trains = [self._different[place].train for place in self._which]
        return torch.stack([train.x for train in trains]), torch.stack(
            [train.t for train in trains]
        )

    def part(self, name: Part) -> list[Split]:
        """One part of every run's data set."""
        return [getattr(self._different[place], name) for place in self._which]

    def select(self, keep: Sequence[int]) -> None:
        """Keep these runs, in this order."""
        self._which = [self._which[r] for r in keep]
        self._starts = self._starts[list(keep)]


def _require_one_shape(different: Sequence[Splits]) -> None:
    shapes = {shape_of(own) for own in different}
    if len(shapes) > 1:
        found = " and ".join(sorted(map(str, shapes)))
        remedy = "train them as stacks of their own"
        raise ConfigurationError(
            describe(f"data sets of the shapes {found} in one stack", "one shape", remedy)
        )


def distinct(items: Sequence[Item]) -> list[Item]:
    """Each object once, by identity, in order of first occurrence.

    >>> one, other = [1], [1]
    >>> len(distinct([one, other, one]))
    2
    """
    return list({id(item): item for item in items}.values())


def shape_of(splits: Splits) -> tuple[tuple[int, ...], ...]:
    """Shapes of x and t of the three parts; data sets with equal shapes may share a stack."""
    parts = (splits.train, splits.val, splits.test)
    return tuple(tuple(tensor.shape) for part in parts for tensor in (part.x, part.t))
