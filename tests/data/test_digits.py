"""Digits against scikit-learn's own table."""

from sklearn.datasets import load_digits

from experiments.data import Digits


def test_every_digit_is_there_once() -> None:
    """The three parts are scikit-learn's 1,797 images over 16, each with its label."""
    splits = Digits(standardize="none").load()
    x, t = load_digits(return_X_y=True)
    ours = sorted(
        (*(row * 16).tolist(), label)
        for part in (splits.train, splits.val, splits.test)
        for row, label in zip(part.x, part.t.tolist(), strict=True)
    )
    assert ours == sorted((*row, label) for row, label in zip(x.tolist(), t.tolist(), strict=True))


def test_constant_pixels_do_not_divide_by_zero() -> None:
    """Pixels that never change are 0 after standardisation, in every part that keeps them so."""
    splits = Digits(standardize="per_feature").load()
    blank = splits.train.x.std(0) == 0
    assert int(blank.sum()) >= 3
    assert not splits.train.x[:, blank].any()
    assert splits.test.x.isfinite().all()


def test_sizes() -> None:
    """Shares and counts are of all examples."""
    sizes = [
        [len(part) for part in (s.train, s.val, s.test)]
        for s in (Digits().load(), Digits(validation=100, test=0.5).load())
    ]
    assert sizes == [[1257, 270, 270], [799, 100, 898]]
