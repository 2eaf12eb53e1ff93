"""Reductions per layer and run against float64 definitions, at every size that floats can have."""

import numpy as np
import pytest
import torch

from experiments.core.per_layer import Block, PerLayer
from experiments.core.reductions import SMALL_SUM, shares_below, shares_of_zeros

DTYPES = [torch.float32, torch.float64, torch.bfloat16]
#: relative; sums are added up in the type of the entries
PRECISION = {torch.float32: 1e-6, torch.float64: 1e-14, torch.bfloat16: 1e-6}


def drawn(dtype: torch.dtype, *shape: int, size: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Normal numbers, drawn in float64 and rounded."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(shape, dtype=torch.float64, generator=generator) * size + shift
    return numbers.to(dtype)


def rows_of(values: torch.Tensor) -> np.ndarray:
    """In long double, whose squares have room for every float's."""
    return values.flatten(1).double().numpy().astype(np.longdouble)


def in_two_blocks(values: torch.Tensor) -> PerLayer:
    """Five layers of two runs: 1, 3 and 4 behind each other, then 0 and 2."""
    layers = values.unflatten(0, (5, 2))
    parts = [(1, 3, 4), (0, 2)]
    return PerLayer([Block(ks, torch.cat([layers[k] for k in ks])) for ks in parts])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entries", [(16, 8), (7, 3), (1, 1), (2, SMALL_SUM)], ids=str)
def test_every_layer_and_run_is_reduced_alone_and_in_order(dtype, entries) -> None:
    """Blocks that lie in another order than the layers; rows of any length."""
    values = drawn(dtype, 10, *entries)
    found, rows, rel = in_two_blocks(values), rows_of(values), PRECISION[dtype]
    squares = (rows**2).mean(1)
    for name, wanted in (
        ("norm", np.sqrt((rows**2).sum(1))),
        ("rms", np.sqrt(squares)),
        ("variance", rows.var(1)),
    ):
        np.testing.assert_allclose(
            getattr(found, name), wanted.reshape(5, 2), rtol=10 * rel, atol=1e-30, err_msg=name
        )
    scale = np.sqrt(squares).reshape(5, 2).max()
    np.testing.assert_allclose(found.mean, rows.mean(1).reshape(5, 2), atol=float(rel * scale))
    assert found.norm.dtype == torch.float64
    for k in range(5):
        assert torch.equal(found[k], values.unflatten(0, (5, 2))[k])
    with pytest.raises(IndexError):
        found[5]


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        (torch.float32, 1e-36),
        (torch.float32, 1e-20),
        (torch.float32, 1e30),
        (torch.float64, 1e-300),
        (torch.float64, 1e-160),
        (torch.float64, 1e200),
        (torch.bfloat16, 1e-30),
    ],
)
def test_squares_beyond_the_floats_do_not_hurt_a_norm(dtype, size) -> None:
    """One run is as small or large as the type allows, and its neighbours are of size 1."""
    values = drawn(dtype, 10, 16, 8)
    values[3] *= size
    found, wanted = in_two_blocks(values).norm, np.sqrt((rows_of(values) ** 2).sum(1))
    np.testing.assert_allclose(found.numpy().ravel(), wanted.astype(float), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_run_of_zeros_has_norm_zero_and_what_is_not_finite_stays_with_its_run(dtype) -> None:
    """NaN and infinity are outcomes of one layer and run, never of their neighbours."""
    values = drawn(dtype, 10, 16, 8)
    values[1] = 0
    values[4, 3, 3] = torch.inf
    values[8, 1, 1] = torch.nan
    found = in_two_blocks(values)
    norms = found.norm.flatten()
    assert norms[1] == 0
    assert norms[4] == torch.inf
    assert torch.isnan(norms[8])
    for numbers in (found.norm, found.mean, found.variance):
        bad = ~torch.isfinite(numbers.flatten())
        assert bad.nonzero().flatten().tolist() == [4, 8]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_units_that_agree_keep_their_variance(dtype) -> None:
    """A spread of 1e-4 around 1000 (1e-9 in float64): no digits would be left of a difference."""
    size = 1e-3 if dtype == torch.float32 else 1e-9
    values = drawn(dtype, 10, 16, 8, size=size, shift=1000.0 if size < 1e-6 else 1.0)
    wanted = rows_of(values).var(1).reshape(5, 2).astype(float)
    np.testing.assert_allclose(in_two_blocks(values).variance, wanted, rtol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entries", [8, 13, 4096])
def test_shares_are_counted(dtype, entries) -> None:
    """No entry, some and all; a NaN is neither below nor 0."""
    values = drawn(dtype, 4, entries)
    values[0] = 0
    values[1, ::2] = 0
    values[2] = values[2].abs() + 1
    values[3, 0] = torch.nan
    rows = values.double().numpy()
    assert shares_of_zeros(values).tolist() == (rows == 0).mean(1).tolist()
    for bound in (-1e9, 0.05, 1e9):
        assert shares_below(values, bound).tolist() == (rows < bound).mean(1).tolist()
    assert shares_of_zeros(torch.ones(3, entries, dtype=dtype)).tolist() == [0.0, 0.0, 0.0]


def test_rows_need_not_lie_in_one_piece() -> None:
    """The last layer lies in columns, a row a unit."""
    values = drawn(torch.float32, 6, 10, 64).mT
    found = PerLayer([Block((0, 1, 2), values)])
    wanted = np.sqrt((rows_of(values.contiguous()) ** 2).sum(1)).reshape(3, 2)
    np.testing.assert_allclose(found.norm, wanted.astype(float), rtol=1e-6)
    assert shares_below(found.blocks[0].rows, 0.0).tolist() == [
        float(share) for share in (values < 0).double().mean((1, 2))
    ]
