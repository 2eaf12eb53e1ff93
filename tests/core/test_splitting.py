"""Splitting, thinning, label noise and standardisation, on pools whose examples know their number."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from experiments.core.dataset import Split, Splits
from experiments.core.errors import DataError
from experiments.core.splitting import (
    apportion,
    examples_for,
    flip_labels,
    hold_out,
    standardized,
    thin,
)

SIZES = [120, 60, 20]


def generator(seed=0):
    """A fresh stream."""
    return torch.Generator().manual_seed(seed)


def numbered(sizes=SIZES):
    """A pool with ``sizes`` examples a class; feature 0 of an example is its number."""
    t = torch.cat([torch.full((n,), c) for c, n in enumerate(sizes)])
    return Split(x=torch.arange(len(t), dtype=torch.float32)[:, None], t=t)


def numbers(part: Split) -> set[int]:
    """Which examples of the pool are here."""
    return set(part.x[:, 0].int().tolist())


@given(st.integers(0, 500), st.lists(st.floats(0.01, 100), min_size=1, max_size=12))
def test_apportioned_seats_are_fair(wanted, shares) -> None:
    """The counts add up, and each is within one of its exact share."""
    counts = apportion(wanted, torch.tensor(shares, dtype=torch.float64))
    assert sum(counts) == wanted
    for n, share in zip(counts, shares, strict=True):
        assert abs(n - wanted * share / sum(shares)) < 1 + 1e-9


@given(st.integers(0, 199), st.integers(0, 5))
def test_held_out_and_rest_make_the_pool(count, seed) -> None:
    """The two parts are disjoint, complete, of the right size, and keep the class shares."""
    rest, out = hold_out(numbered(), count, generator(seed))
    assert numbers(rest) | numbers(out) == set(range(200))
    assert (len(rest), len(out)) == (200 - count, count)
    for c, n in enumerate(SIZES):
        assert abs(int((out.t == c).sum()) - count * n / 200) < 1
    for part in (rest, out):
        assert torch.equal(part.t, numbered().t[part.x[:, 0].long()])


def test_no_example_may_remain() -> None:
    """Holding out everything is refused."""
    with pytest.raises(DataError, match="200 examples to hold out of 200"):
        hold_out(numbered(), 200, generator())


def test_smaller_training_sets_are_contained_in_larger_ones() -> None:
    """Few-sample studies of one seed add examples, they do not exchange them."""
    kept = [thin(numbered(), n, 1.0, generator()) for n in (10, 50, 150)]
    assert numbers(kept[0]) < numbers(kept[1]) < numbers(kept[2])
    assert [torch.bincount(k.t).tolist() for k in kept] == [[6, 3, 1], [30, 15, 5], [90, 45, 15]]


def test_imbalance_is_largest_over_smallest() -> None:
    """Balanced classes thinned by 9 have sizes 90, 30, 10; all weights 1 keep everything."""
    pool = numbered([90, 90, 90])
    assert torch.bincount(thin(pool, None, 9.0, generator()).t).tolist() == [90, 30, 10]
    assert torch.bincount(thin(pool, 26, 9.0, generator()).t).tolist() == [18, 6, 2]
    assert thin(pool, None, 1.0, generator()) is pool
    for ratio in (10, 25, 50, 100, 200):
        assert (
            torch.bincount(thin(numbered([1000] * 3), None, ratio, generator()).t)[2]
            == 1000 / ratio
        )


@pytest.mark.parametrize(("examples", "imbalance"), [(201, 1.0), (2, 1.0), (200, 4.0)])
def test_impossible_training_sets_are_refused(examples, imbalance) -> None:
    """More examples than there are, or fewer than one a class, are a DataError."""
    with pytest.raises(DataError, match=f"train_examples={examples}"):
        thin(numbered(), examples, imbalance, generator())


@given(st.floats(0, 0.99), st.integers(0, 3))
def test_label_noise_is_exact_and_symmetric(share, seed) -> None:
    """round(share N) labels change, each to another class; inputs and the original stay."""
    pool = numbered()
    noisy = flip_labels(pool, share, 3, generator(seed))
    assert int((noisy.t != pool.t).sum()) == round(share * 200)
    assert noisy.t.min() >= 0
    assert noisy.t.max() < 3
    assert torch.equal(noisy.x, pool.x)
    assert torch.equal(pool.t, numbered().t)


def test_wrong_labels_are_uniform_and_nested() -> None:
    """The other classes are hit equally (chi-square), and more noise keeps the wrong labels."""
    pool = numbered([30_000, 1, 1, 1])
    low, high = (flip_labels(pool, share, 4, generator()) for share in (0.1, 0.4))
    hits = torch.bincount(high.t[:30_000], minlength=4)[1:].double()
    chi_square = ((hits - hits.mean()) ** 2 / hits.mean()).sum()
    assert chi_square < 18.4  # two degrees of freedom, one in ten thousand
    wrong = low.t != pool.t
    assert torch.equal(low.t[wrong], high.t[wrong])


def test_sizes_are_shares_or_counts() -> None:
    """A float is a share, an integer a count; zero is allowed."""
    assert [examples_for("val", s, total=50) for s in (0.5, 7, 0, 0.0)] == [25, 7, 0, 0]


@pytest.mark.parametrize("size", [1.0, -0.1, 50, -1, float("nan")])
def test_sizes_that_do_not_fit_are_refused(size) -> None:
    """The message names the setting and what it was."""
    with pytest.raises(DataError, match=f"val={size}"):
        examples_for("val", size, total=50)


def test_standardisation_is_fitted_on_training_data() -> None:
    """per_feature is scikit-learn's scaler fitted on train; a constant feature is only centred."""
    x = torch.randn(300, 4, generator=generator()) * torch.tensor([1.0, 5.0, 1e-3, 0.0]) + 3
    parts = [Split(x[a:b], torch.zeros(b - a)) for a, b in ((0, 200), (200, 250), (250, 300))]
    splits = Splits(*parts)
    scaler = StandardScaler().fit(parts[0].x.double().numpy())
    ours = standardized(splits, "per_feature")
    for got, part in zip((ours.train, ours.val, ours.test), parts, strict=True):
        want = torch.as_tensor(scaler.transform(part.x.double().numpy()))
        # float32 keeps 7 digits of x = 3, so 1e-4 of a feature that varies by 1e-3
        torch.testing.assert_close(got.x.double(), want, rtol=1e-4, atol=5e-4)
        assert not got.x[:, 3].any()
    whole = standardized(splits, "global").train.x
    assert abs(float(whole.mean())) < 1e-5
    assert abs(float(whole.double().square().mean()) - 1) < 1e-5
    assert standardized(splits, "none") is splits
