"""Parts of a labelled pool: held-out examples, thinned classes, flipped labels, standardised inputs.

Every draw is a permutation of which a leading piece is taken. So labels that are wrong at 10 % noise are
wrong at 40 % too, and a smaller training set is contained in a larger one of the same seed (but for
single examples, where the count of a class is rounded up in the smaller set and down in the larger).
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
    """Whether a part can have this size: a whole number from 0, or a share from 0 to below 1.

    >>> is_size(30), is_size(0.25), is_size(1), is_size(1.0), is_size("30")
    (True, True, True, False, False)
    """
    number = isinstance(size, Real) and not isinstance(size, bool)
    return is_whole(size, 0) or bool(number and 0 <= size < 1)


def examples_for(name: str, size: float | int, total: int) -> int:
    """How many examples a setting means: an integer counts, a float is a share of ``total``.

    Raises:
        DataError: for a size that is negative, or not below all examples.

    Example:
        >>> examples_for("test", 0.25, total=200), examples_for("test", 30, total=200)
        (50, 30)
    """
    counted = is_whole(size, 0)
    if not is_size(size) or (counted and size >= total):
        raise DataError(
            describe(
                f"{name}={size!r}",
                f"a share from 0 to below 1, or a whole number below the {total} examples there are",
                f"give {name}=0.15, say",
            )
        )
    return int(size) if counted else round(size * total)


def apportion(wanted: int, shares: Tensor) -> list[int]:
    """Whole numbers that add up to ``wanted``, in proportion to ``shares``: largest remainders.

    >>> apportion(10, torch.tensor([1.0, 1.0, 1.0]))
    [4, 3, 3]
    """
    exact = wanted * shares.double() / shares.double().sum()
    counts = exact.floor()
    remainders = torch.argsort(exact - counts, descending=True, stable=True)
    counts[remainders[: wanted - int(counts.sum())]] += 1
    return [int(c) for c in counts]


def hold_out(pool: Split, count: int, generator: torch.Generator) -> tuple[Split, Split]:
    """Divide a pool into (rest, held out), each with the class shares of the pool.

    Raises:
        DataError: if nothing would be left.
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
    held = apportion(count, sizes)
    out = torch.cat([m[:h] for m, h in zip(members, held, strict=True)])
    rest = torch.cat([m[h:] for m, h in zip(members, held, strict=True)])
    return take(pool, rest.sort().values), take(pool, out.sort().values)


def thin(
    part: Split, examples: int | None, imbalance: float | int, generator: torch.Generator
) -> Split:
    """Keep ``examples`` examples (None: as many as possible), class c in proportion to its weight.

    Formula, for classes 0 .. K-1 of N_c examples each::

        n_c  proportional to  N_c imbalance^(-c / (K - 1))

    so where all N_c are equal ``imbalance`` is the ratio of the largest class to the smallest (the
    long-tailed profile of Cui et al., 2019); 1 leaves the class shares as they are.

    Raises:
        DataError: if there are not that many examples, or fewer than one for each class.
    """
    if examples is None and imbalance == 1:
        return part
    members = _members(part.t, generator)
    sizes = torch.tensor([len(m) for m in members], dtype=torch.float64)
    classes = len(members)
    place = torch.arange(classes, dtype=torch.float64) / max(classes - 1, 1)
    shares = sizes * float(imbalance) ** -place
    if examples is None:
        counts = [max(1, math.floor(s + 1e-9)) for s in shares]
    else:
        counts = apportion(examples, shares)
    if not all(1 <= n <= len(m) for n, m in zip(counts, members, strict=True)):
        raise DataError(
            describe(
                f"train_examples={examples} with imbalance={imbalance}, which is {counts} per class",
                f"from 1 to {[len(m) for m in members]} examples per class",
                "change train_examples, or leave it null to take as many as there are",
            )
        )
    kept = torch.cat([m[:n] for m, n in zip(members, counts, strict=True)])
    return take(part, kept.sort().values)


def flip_labels(part: Split, share: float | int, classes: int, generator: torch.Generator) -> Split:
    """Symmetric label noise: a share of the labels becomes, uniformly, one of the other classes.

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

    ``per_feature``: one m and s per feature, a constant feature only centred (s = 1); ``global``: one m
    and s over all entries, which keeps the picture of an image; ``none``: x as it is. s is the
    root of the mean square deviation (no Bessel correction).
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
    """The positions of each class, shuffled."""
    order = torch.randperm(len(t), generator=generator)
    return [order[t[order] == c] for c in t.unique()]
