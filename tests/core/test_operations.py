"""Operations on memory that exists: NumPy's and torch's, which must agree."""

import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import torch

from experiments.activations import Tanh
from experiments.core import operations
from experiments.core.operations import SMALL_LOOP, SMALL_PRODUCT, SMALL_SUM, quiet

NAMES = ["tanh", "exp", "expm1"]
every_function = pytest.mark.parametrize("name", NAMES)


def run(operation):
    """Call it as a training step does."""
    with torch.no_grad(), quiet():
        operation()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@every_function
def test_within_three_units_in_the_last_place(name, dtype):
    """Against 50 digits, from 1e-30 to 80 on both sides."""
    sizes = torch.logspace(-30, 1.9, 400, dtype=dtype)
    z = torch.cat([sizes, -sizes])
    out = torch.empty_like(z)
    run(getattr(operations, name)(z, out))
    truth = getattr(mpmath, name)
    with mpmath.workdps(50):
        exact = [truth(mpmath.mpf(v)) for v in z.tolist()]
        errors = [
            abs(mpmath.mpf(found) - true) / float(np.spacing(out.numpy().dtype.type(abs(true))))
            for found, true in zip(out.tolist(), exact, strict=True)
            if abs(true) > torch.finfo(dtype).tiny
        ]
    assert len(errors) > 700
    assert max(errors) < 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@every_function
def test_special_values_are_torch_s(name, dtype):
    """Zeros with their sign, infinities and NaN, in every type and without a warning."""
    z = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e4, -1e4], dtype=dtype)
    out = torch.empty_like(z)
    run(getattr(operations, name)(z, out))
    torch.testing.assert_close(out, getattr(torch, name)(z), equal_nan=True)
    assert torch.equal(out[:2].signbit(), getattr(torch, name)(z[:2]).signbit())


@every_function
def test_in_place_and_through_a_transposed_view(name):
    """The output may be the input itself, and neither need be contiguous."""
    z = torch.randn(6, 4).mT
    expected = getattr(torch, name)(z)
    out = torch.empty(4, 6)
    run(getattr(operations, name)(z, out))
    run(getattr(operations, name)(z, z))
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(z, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [5, SMALL_LOOP + 1])
def test_multiplication_is_the_operator_s(size, dtype):
    """Every entry, on both sides of the size where the library changes, overflow included."""
    a, b = torch.randn(2, size, dtype=dtype) * torch.finfo(dtype).max ** 0.5
    a[0], b[1] = 0.0, torch.nan
    out = torch.empty_like(a)
    expected = a * b
    for operation in (operations.multiply(a, b, out), operations.multiply(a, b, a)):
        run(operation)
    for found in (out, a):
        assert torch.equal(found.isnan(), expected.isnan())
        assert torch.equal(found.nan_to_num(), expected.nan_to_num())


@pytest.mark.parametrize("runs", [None, 3])
@pytest.mark.parametrize("n", [7, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_products_and_sums_are_the_operator_s(runs, n, dtype):
    """Small and large, one matrix and a stack, contiguous and transposed."""
    assert SMALL_PRODUCT[0] < 7**3 < SMALL_PRODUCT[1] < 100**3
    assert 7**2 < SMALL_SUM < 100**2
    lead = () if runs is None else (runs,)
    left, right = torch.randn(2, *lead, n, n, dtype=dtype)
    out = torch.empty_like(left)
    close = {"rtol": 0.05, "atol": 0.1} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-4}
    for A, B in ((left, right), (left.mT, right), (left, right.mT)):
        expected = A.double() @ B.double()
        run(operations.product(A, B, out))
        torch.testing.assert_close(out.double(), expected, **close)
        out.zero_()
        with quiet():
            operations.product_with(A, out)(B)
        torch.testing.assert_close(out.double(), expected, **close)
        total = torch.empty(*lead, n, dtype=dtype)
        run(operations.sum_of_rows(A, total))
        torch.testing.assert_close(total.double(), A.double().sum(-2), **close)


@pytest.mark.parametrize("runs", [None, 3])
@pytest.mark.parametrize("n", [2, 20, 90_000])
def test_one_example_is_a_column_times_a_row(runs, n):
    """A batch of one: outer products, and a sum of one row."""
    lead = () if runs is None else (runs,)
    A, B = torch.randn(*lead, 1, n).mT, torch.randn(*lead, 1, 3)
    out, other, total = torch.empty(*lead, n, 3), torch.empty(*lead, n, 3), torch.empty(*lead, 3)
    run(operations.product(A, B, out))
    with quiet():
        operations.product_with(A, other)(B)
    run(operations.sum_of_rows(B, total))
    assert torch.equal(out, A * B)
    assert torch.equal(other, A * B)
    assert torch.equal(total, B.squeeze(-2))


def test_an_operation_sees_what_its_memory_holds_when_it_is_called():
    """Bound once: later values are used, and nothing is computed before the call."""
    z, out = torch.zeros(3), torch.full((3,), 7.0)
    operation = operations.exp(z, out)
    assert out.tolist() == [7.0, 7.0, 7.0]
    z.fill_(1.0)
    run(operation)
    torch.testing.assert_close(out, torch.full((3,), torch.e))


CHECK = """
import numpy
import torch
from experiments.activations import ELU, Tanh
from experiments.core.operations import FASTER_BY_NUMPY, has_fast_cosh
assert FASTER_BY_NUMPY <= {(numpy.tanh, torch.float32)}
z = torch.linspace(-40, 40, 4001)
assert not has_fast_cosh(z)
for sigma in (Tanh(), ELU()):
    a, slope = torch.empty_like(z), torch.empty_like(z)
    sigma.evaluate(z, a, slope)
    torch.testing.assert_close(a, sigma.value(z), rtol=5e-7, atol=0.0)
    torch.testing.assert_close(slope, sigma.derivative(z), rtol=5e-7, atol=0.0)
"""


@pytest.mark.parametrize("z", [torch.zeros(3), torch.zeros(3, dtype=torch.float16)], ids=str)
def test_where_numpy_is_slower_torch_computes(z):
    """A processor without AVX-512, played by NumPy's own switch; and types NumPy is slow with."""
    if z.dtype == torch.float16:
        assert not operations.has_fast_cosh(z)
        assert len(Tanh().bind(z, z.clone(), z.clone())) == 2
    else:
        features = {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX X86_V4"}
        answer = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CHECK],
            env=os.environ | features,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
