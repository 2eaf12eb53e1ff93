"""Reductions per layer and run against float64 definitions, at every size that floats can have."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from experiments.core.operations import can_compile
from experiments.core.per_layer import Block, PerLayer
from experiments.core.reductions import (
    SMALL_SUM,
    Totals,
    shares_below,
    shares_of_zeros,
    totalling,
)

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


def by_loops(blocks: Sequence[Block], bound: float = 0.0) -> PerLayer:
    """Blocks whose rows a compiled loop sums up, if they have a type that it can."""
    layers = PerLayer(blocks)
    count = max(k for block in blocks for k in block.layers) + 1
    rows = [layers[k].flatten(1).contiguous() for k in range(count)]
    if not can_compile(*rows):
        return layers

    def totals() -> Totals:
        found = np.empty((4, count, len(rows[0])))
        for k, row in enumerate(rows):
            totalling(row, bound, found[:, k])()
        entries = np.array([[float(row.shape[1])] for row in rows])
        return Totals(*found, entries=entries, bounds=(bound,) * count)

    return PerLayer(blocks, totals)


@pytest.fixture(params=[PerLayer, by_loops], ids=["operations", "compiled"])
def per_layer(request) -> Callable[..., PerLayer]:
    """Makes it of blocks that are reduced by operations on whole tensors, or by compiled loops."""
    made: Callable[..., PerLayer] = request.param
    return made


def in_two_blocks(values: torch.Tensor, per_layer: Callable[..., PerLayer]) -> PerLayer:
    """Five layers of two runs: 1, 3 and 4 behind each other, then 0 and 2."""
    layers = values.unflatten(0, (5, 2))
    parts = [(1, 3, 4), (0, 2)]
    return per_layer([Block(ks, torch.cat([layers[k] for k in ks])) for ks in parts])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entries", [(16, 8), (7, 3), (1, 1), (2, SMALL_SUM)], ids=str)
def test_every_layer_and_run_is_reduced_alone_and_in_order(dtype, entries, per_layer) -> None:
    """Blocks that lie in another order than the layers; rows of any length."""
    values = drawn(dtype, 10, *entries)
    found, rows, rel = in_two_blocks(values, per_layer), rows_of(values), PRECISION[dtype]
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
def test_squares_beyond_the_floats_do_not_hurt_a_norm(dtype, size, per_layer) -> None:
    """One run is as small or large as the type allows, and its neighbours are of size 1."""
    values = drawn(dtype, 10, 16, 8)
    values[3] *= size
    found, wanted = in_two_blocks(values, per_layer).norm, np.sqrt((rows_of(values) ** 2).sum(1))
    np.testing.assert_allclose(found.numpy().ravel(), wanted.astype(float), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_run_of_zeros_has_norm_zero_and_what_is_not_finite_stays_with_its_run(
    dtype, per_layer
) -> None:
    """NaN and infinity are outcomes of one layer and run, never of their neighbours."""
    values = drawn(dtype, 10, 16, 8)
    values[1] = 0
    values[4, 3, 3] = torch.inf
    values[8, 1, 1] = torch.nan
    found = in_two_blocks(values, per_layer)
    norms = found.norm.flatten()
    assert norms[1] == 0
    assert norms[4] == torch.inf
    assert torch.isnan(norms[8])
    for numbers in (found.norm, found.mean, found.variance):
        bad = ~torch.isfinite(numbers.flatten())
        assert bad.nonzero().flatten().tolist() == [4, 8]


@pytest.mark.parametrize("entries", [128, 4096, 3 * SMALL_SUM + 7])
@pytest.mark.parametrize(
    ("dtype", "mean", "spread"),
    [
        (torch.float32, 0.693, 1e-6),
        (torch.float32, 1000.0, 1e-3),
        (torch.float32, 0.1, 0.0),
        (torch.float64, 1000.0, 1e-9),
        (torch.float64, 0.1, 0.0),
    ],
)
def test_units_that_agree_keep_their_variance(dtype, mean, spread, entries, per_layer) -> None:
    """Where all entries are nearly one number, no digits would be left of a difference of squares."""
    values = drawn(dtype, 10, entries, size=spread, shift=mean)
    wanted = rows_of(values).var(1).reshape(5, 2).astype(float)
    np.testing.assert_allclose(
        in_two_blocks(values, per_layer).variance, wanted, rtol=1e-4, atol=1e-36
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["norm", "rms", "mean", "variance"])
def test_a_number_depends_on_its_own_run_alone(dtype, name, per_layer) -> None:
    """The same bits beside runs of any size: small, huge, constant, not finite."""
    values = drawn(dtype, 10, 16, 8)
    alone = getattr(in_two_blocks(values, per_layer), name)
    values[1] *= 1e-30
    values[3] *= 1e30
    values[5] = 7
    values[7, 0, 0] = torch.inf
    beside = getattr(in_two_blocks(values, per_layer), name)
    assert torch.equal(beside[:, 0], alone[:, 0])


def test_overflow_is_an_outcome_and_no_warning(per_layer) -> None:
    """Sums beyond the type are taken in float64; where that is too small, infinite."""
    values = torch.full((4, 64, 64), 3e38)
    values[1::2] *= -1
    found = per_layer([Block((0, 1), values)])
    np.testing.assert_allclose(found.mean, [[3e38, -3e38]] * 2, rtol=1e-6)
    np.testing.assert_allclose(found.norm, 64 * 3e38, rtol=1e-6)
    wide = per_layer([Block((0, 1), drawn(torch.float64, 4, 64, size=1e200))])
    assert torch.isfinite(wide.norm).all()
    assert (wide.variance == torch.inf).all()


@pytest.mark.parametrize("entries", [SMALL_SUM - 1, SMALL_SUM, SMALL_SUM + 1, 2**20])
def test_long_rows_keep_their_digits(entries, per_layer) -> None:
    """Single precision is added up in pieces."""
    values = drawn(torch.float32, 2, entries, shift=1.0)
    found, rows = per_layer([Block((0,), values)]), rows_of(values)
    np.testing.assert_allclose(found.norm[0], np.sqrt((rows**2).sum(1)).astype(float), rtol=1e-7)
    np.testing.assert_allclose(found.mean[0], rows.mean(1).astype(float), rtol=1e-6)
    np.testing.assert_allclose(found.variance[0], rows.var(1).astype(float), rtol=1e-6)


def test_layers_of_different_shapes_that_alternate(per_layer) -> None:
    """Rows of two lengths, in blocks that lie in another order than the layers."""
    generator = torch.Generator().manual_seed(0)
    layers = [torch.randn(2, 4, (6, 5)[k % 2], generator=generator) for k in range(5)]
    parts = [(1, 3), (0, 2, 4)]
    found = per_layer([Block(ks, torch.cat([layers[k] for k in ks])) for ks in parts])
    for name, wanted in (
        ("norm", [layer.flatten(1).norm(dim=1) for layer in layers]),
        ("rms", [layer.flatten(1).square().mean(1).sqrt() for layer in layers]),
        ("mean", [layer.flatten(1).mean(1) for layer in layers]),
        ("variance", [layer.flatten(1).var(1, correction=0) for layer in layers]),
    ):
        np.testing.assert_allclose(getattr(found, name), torch.stack(wanted), rtol=1e-5, atol=1e-7)


def test_numbers_that_the_processor_flushes_are_zeros(per_layer) -> None:
    """With subnormal numbers flushed, as in training, a row of them has norm 0 and no surprise."""
    values = drawn(torch.float32, 4, 64)
    values[1] *= 1e-41
    torch.set_flush_denormal(True)
    try:
        found = per_layer([Block((0, 1), values)])
        assert found.norm[0, 1] == 0
        assert found.variance[0, 1] == 0
        assert found.share_of_zeros[0, 1] == 1
        assert torch.isfinite(found.norm).all()
    finally:
        torch.set_flush_denormal(False)


def test_scratch_memory_is_a_thread_s_own(per_layer) -> None:
    """Two threads that count at once count right, and inference mode leaves nothing behind."""
    with torch.inference_mode():
        per_layer([Block((0,), torch.ones(2, 64))]).variance  # noqa: B018
    assert per_layer([Block((0,), torch.ones(2, 64))]).variance.tolist() == [[0.0, 0.0]]
    values = [torch.full((50, 4096), value) for value in (-1.0, 1.0)]
    with ThreadPoolExecutor(2) as pool:
        for below, found in zip((1.0, 0.0), pool.map(_counted, values), strict=True):
            assert found == {below}


def _counted(values: torch.Tensor) -> set[float]:
    return {share for _ in range(200) for share in shares_below(values, 0.0).tolist()}


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


def test_rows_need_not_lie_in_one_piece(per_layer) -> None:
    """The last layer lies in columns, a row a unit."""
    values = drawn(torch.float32, 6, 10, 64).mT
    found = per_layer([Block((0, 1, 2), values)])
    wanted = np.sqrt((rows_of(values.contiguous()) ** 2).sum(1)).reshape(3, 2)
    np.testing.assert_allclose(found.norm, wanted.astype(float), rtol=1e-6)
    shares = (values.abs() < 0.5).double().mean((1, 2))
    assert found.shares_small([0.5] * 3).flatten().tolist() == shares.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("planted", [1.0, 0.0, -1.0, torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("bound", [1e-9, 0.75, 1e9])
def test_zeros_and_shares_are_those_of_the_entries(dtype, planted, bound, per_layer) -> None:
    """One entry among positive ones decides; a NaN is neither 0 nor small."""
    values = drawn(dtype, 10, 16, 8).abs() + 0.5
    values[6, 5, 5] = planted
    rows = values.flatten(1).double().numpy()
    small = (np.abs(rows) < bound).mean(1).tolist()
    found = in_two_blocks(values, per_layer)
    assert found.shares_small([bound] * 5).flatten().tolist() == small
    assert found.share_of_zeros.flatten().tolist() == (rows == 0).mean(1).tolist()
    if planted >= 0:
        assert found.nonzero == bool((rows != 0).all())
    elif found.nonzero:  # which may be unknown where something is negative
        assert (rows != 0).all()


def test_the_loop_counts_below_its_own_bound() -> None:
    """A bound that it does not know is compared with the entries."""
    values = drawn(torch.float32, 10, 16, 8)
    known = in_two_blocks(values, lambda blocks: by_loops(blocks, bound=0.75))
    for bound in (0.75, 0.3):
        wanted = (values.flatten(1).abs() < bound).double().mean(1)
        assert known.shares_small([bound] * 5).flatten().tolist() == wanted.tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("entries", [7, SMALL_SUM, 2 * SMALL_SUM + 1])
def test_rows_of_any_length_are_counted(dtype, entries, per_layer) -> None:
    """To the last entry of the last piece."""
    values = drawn(dtype, 2, entries)
    values[:, -3:] = 0
    found = per_layer([Block((0,), values)])
    assert found.share_of_zeros[0].tolist() == (values.numpy() == 0).mean(1).tolist()
    assert found.shares_small([0.1])[0].tolist() == (values.abs().numpy() < 0.1).mean(1).tolist()
