"""Preparing a labelled pool: holding out examples, thinning classes, flipping labels, standardising.

Every random choice takes the first elements of a permutation. So labels that are wrong at 10 % noise are also
wrong at 40 %, and a smaller training set is contained in a larger one of the same seed (except for single
examples, if the count of a class is rounded up in the smaller set and down in the larger one).
"""

import math
from numbers import Real
from typing import Any, Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from experiments.core.dataset import Split, Splits
from experiments.core.errors import DataError, describe
from experiments.core.whole import is_whole

Standardize = Literal["per_feature", "global", "none"]


def take(part: Split, index: Int64[Tensor, " chosen"]) -> Split:
    """The examples of ``part`` that ``index`` names, in its order."""
    return Split(x=part.x[index], t=part.t[index])


def is_size(size: Any) -> bool:
    """Whether this is a valid size of a part: a whole number >= 0, or a share in [0, 1).

    >>> is_size(30), is_size(0.25), is_size(1), is_size(1.0), is_size("30")
    (True, True, True, False, False)
    """
    is_number = isinstance(size, Real) and not isinstance(size, bool)
    return is_whole(size, 0) or bool(is_number and 0 <= size < 1)


def examples_for(name: str, size: float | int, total: int) -> int:
    """The number of examples that a size stands for: an integer itself, a float a share of ``total``.

    Raises:
        DataError: for a size that is negative, or not smaller than ``total``.

    Example:
        >>> examples_for("test", 0.25, total=200), examples_for("test", 30, total=200)
        (50, 30)
    """
    is_count = is_whole(size, 0)
    if not is_size(size) or (is_count and size >= total):
        raise DataError(
            describe(
                f"{name}={size!r}",
                f"a share from 0 to below 1, or a whole number below the {total} examples there are",
                f"give {name}=0.15, say",
            )
        )
    return int(size) if is_count else round(size * total)


def apportion(total: int, shares: Tensor) -> list[int]:
    """Whole numbers with sum ``total`` in proportion to ``shares``, by the largest-remainder method.

    >>> apportion(10, torch.tensor([1.0, 1.0, 1.0]))
    [4, 3, 3]
    """
    exact = total * shares.double() / shares.double().sum()
    counts = exact.floor()
    remainders = torch.argsort(exact - counts, descending=True, stable=True)
    counts[remainders[: total - int(counts.sum())]] += 1
    return [int(c) for c in counts]


def hold_out(pool: Split, count: int, generator: torch.Generator) -> tuple[Split, Split]:
    """Split a pool into (rest, held out), each with the class shares of the pool.

    Raises:
        DataError: if no example would be left in the rest.
    """
    if count >= len(pool):
        raise DataError(
            describe(
                f"{count} examples to hold out of {len(pool)}",
                "at least one example left for training",
                "make validation and test smaller",
            )
        )
    members = _members(pool.t, generator)
    sizes = torch.tensor([len(m) for m in members])
    counts = apportion(count, sizes)
    held_out = torch.cat([m[:n] for m, n in zip(members, counts, strict=True)])
    rest = torch.cat([m[n:] for m, n in zip(members, counts, strict=True)])
    return take(pool, rest.sort().values), take(pool, held_out.sort().values)


def thin(
    part: Split, examples: int | None, imbalance: float | int, generator: torch.Generator
) -> Split:
    """Keep ``examples`` examples (None: as many as possible), with this imbalance between classes.

    Formula, for classes 0 .. K-1 of N_c examples each::

        n_c  proportional to  N_c imbalance^(-c / (K - 1))

    If all N_c are equal, ``imbalance`` is the ratio of the largest class to the smallest (the long-tailed
    profile of Cui et al., 2019); 1 leaves the class shares unchanged.

    Raises:
        DataError: if a class does not have enough examples, or would keep none.
    """
    if examples is None and imbalance == 1:
        return part
    members = _members(part.t, generator)
    sizes = torch.tensor([len(m) for m in members], dtype=torch.float64)
    classes = len(members)
    position = torch.arange(classes, dtype=torch.float64) / max(classes - 1, 1)
    shares = sizes * float(imbalance) ** -position
    if examples is None:
        counts = [max(1, math.floor(s + 1e-9)) for s in shares]
    else:
        counts = apportion(examples, shares)
    if not all(1 <= n <= len(m) for n, m in zip(counts, members, strict=True)):
        raise DataError(
            describe(
                f"train_examples={examples} with imbalance={imbalance}, which is {counts} per class",
                f"from 1 to {[len(m) for m in members]} examples per class",
                "change train_examples, or set it to null to take as many as possible",
            )
        )
    chosen = torch.cat([m[:n] for m, n in zip(members, counts, strict=True)])
    return take(part, chosen.sort().values)


def flip_labels(part: Split, share: float | int, classes: int, generator: torch.Generator) -> Split:
    """Symmetric label noise: a share of the labels is replaced by one of the other classes, uniformly.

    Formula: round(share * N) labels t are replaced by (t + s) mod K, s uniform on 1 .. K-1.

    References:
        Ghosh, Kumar & Sastry (2017), section 2.
    """
    count = len(part)
    wrong = torch.randperm(count, generator=generator)[: round(share * count)]
    shift = torch.randint(1, classes, (count,), generator=generator)
    t = part.t.clone()
    t[wrong] = (t[wrong] + shift[wrong]) % classes
    return Split(x=part.x, t=t)


def standardized(splits: Splits, how: Standardize) -> Splits:
    """x -> (x - m) / s, with m and s of the training part alone.

    ``per_feature``: one m and s per feature; a constant feature is only centred (s = 1). ``global``: one m
    and s for all entries, which preserves the structure of images. ``none``: x unchanged. s is the root of
    the mean square deviation (no Bessel correction).
    """
    if how == "none":
        return splits
    axes = (0,) if how == "per_feature" else (0, 1)
    spread, mean = torch.std_mean(splits.train.x, axes, correction=0)
    scale = torch.where(spread > 0, spread, 1.0)

    def apply(part: Split) -> Split:
        return Split(x=(part.x - mean).div_(scale), t=part.t)

    return Splits(train=apply(splits.train), val=apply(splits.val), test=apply(splits.test))


def _members(t: Tensor, generator: torch.Generator) -> list[Tensor]:
    """The indices of the examples of each class, shuffled."""
    order = torch.randperm(len(t), generator=generator)
    return [order[t[order] == c] for c in t.unique()]
