"""Elementary functions into memory that exists."""

import mpmath
import numpy as np
import pytest
import torch

from experiments.core.vector_math import write_exp, write_expm1, write_tanh

FUNCTIONS = [
    (write_tanh, "tanh"),
    (write_exp, "exp"),
    (write_expm1, "expm1"),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("write", "name"), FUNCTIONS, ids=["tanh", "exp", "expm1"])
def test_within_three_units_in_the_last_place(write, name, dtype):
    """Against 50 digits, from 1e-30 to 80 on both sides."""
    sizes = torch.logspace(-30, 1.9, 400, dtype=dtype)
    z = torch.cat([sizes, -sizes])
    out = torch.empty_like(z)
    write(z, out)
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
@pytest.mark.parametrize(("write", "name"), FUNCTIONS, ids=["tanh", "exp", "expm1"])
def test_special_values_are_torch_s(write, name, dtype):
    """Zeros with their sign, infinities and NaN, in every type and without a warning."""
    z = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan], dtype=dtype)
    out = torch.empty_like(z)
    write(z, out)
    expected = getattr(torch, name)(z)
    assert torch.equal(out.isnan(), expected.isnan())
    assert torch.equal(out[:4], expected[:4])
    assert torch.equal(out[:2].signbit(), expected[:2].signbit())


@pytest.mark.parametrize(("write", "name"), FUNCTIONS, ids=["tanh", "exp", "expm1"])
def test_in_place_and_through_a_transposed_view(write, name):
    """The output may be the input itself, and neither need be contiguous."""
    z = torch.randn(6, 4).mT
    expected = getattr(torch, name)(z)
    out = torch.empty(4, 6)
    write(z, out)
    write(z, z)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(z, expected)
