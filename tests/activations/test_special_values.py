"""Infinities, NaN, signed zeros, subnormals and kinks, as torch's own operators have them."""

import math

import mpmath
import pytest
import torch
from tests.activations.rooms import every_case, every_room, oracle_of, room_name

from experiments.activations import ELU, GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh

INF, NAN = math.inf, math.nan
SPECIAL = [-INF, INF, NAN, -0.0, 0.0, -1e-40, 1e-40]
LARGE = [-1e4, 1e4]
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]

# room: (z, sigma(z), sigma'(z)); limits and one-sided derivatives, written down by hand
KNOWN = {
    "identity": [(-INF, -INF, 1), (INF, INF, 1), (NAN, NAN, 1), (-0.0, -0.0, 1)],
    "sigmoid": [(-INF, 0, 0), (INF, 1, 0), (NAN, NAN, NAN), (-0.0, 0.5, 0.25)],
    "tanh": [(-INF, -1, 0), (INF, 1, 0), (NAN, NAN, NAN), (-0.0, -0.0, 1), (1e-40, 1e-40, 1)],
    "relu": [(-INF, 0, 0), (INF, INF, 1), (NAN, NAN, 1), (0.0, 0, 0), (1e-40, 1e-40, 1)],
    "leaky_relu": [(-INF, -INF, 0.01), (INF, INF, 1), (NAN, NAN, 0.01), (0.0, 0, 0.01)],
    "elu": [(-INF, -1, 0), (INF, INF, 1), (NAN, NAN, 1), (-0.0, -0.0, 1), (-1e-40, -1e-40, 1)],
    "selu": [(-INF, -1.7580993408473766, 0), (INF, INF, 1.0507009873554805)],
    "softplus": [(-INF, 0, 0), (INF, INF, 1), (NAN, NAN, NAN), (0.0, math.log(2), 0.5)],
    "silu": [(-INF, NAN, NAN), (INF, INF, NAN), (NAN, NAN, NAN), (-0.0, -0.0, 0.5)],
    "gelu": [(-INF, NAN, NAN), (INF, INF, NAN), (NAN, NAN, NAN), (-0.0, -0.0, 0.5)],
}


def same(found: torch.Tensor, expected: torch.Tensor, sign_of_zero: bool = True) -> None:
    """Equal to one rounding; NaN equals NaN, and zeros have the same sign."""
    one_rounding = 2 * torch.finfo(found.dtype).eps
    torch.testing.assert_close(found, expected, rtol=one_rounding, atol=0.0, equal_nan=True)
    if sign_of_zero:
        zero = expected == 0
        assert torch.equal(torch.signbit(found[zero]), torch.signbit(expected[zero]))


@every_case
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("copies", [1, 67])
def test_special_values_are_those_of_torchs_operator(sigma, dtype, copies) -> None:
    """The value, signs of zeros included, and sigma' are torch's; at every place of a tensor."""
    for z in SPECIAL:
        reference = torch.tensor([z], dtype=dtype, requires_grad=True)
        value = sigma.operator(reference)
        (slope,) = torch.autograd.grad(value, reference)
        x = torch.full((copies,), z, dtype=dtype, requires_grad=True)
        a = sigma(x)
        (found,) = torch.autograd.grad(a.sum(), x)
        same(a.detach(), value.detach().expand(copies))
        same(found, slope.expand(copies), sign_of_zero=False)


@every_case
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_large_numbers_have_torchs_value_and_the_true_slope(sigma, dtype) -> None:
    """Where 1 + |z| is nearly |z|, torch's sigma' may have cancelled (softsign's does): 60 digits judge.

    Torch gets one number at a time: for more, its GELU(-1e4) is 0 or -0 according to the processor.
    """
    z = torch.tensor(LARGE, dtype=dtype)
    same(sigma.value(z), torch.cat([sigma.operator(point) for point in z.split(1)]))
    slope = [float(oracle_of(sigma)[1](mpmath.mpf(point))) for point in z.tolist()]
    truth = torch.tensor(slope, dtype=torch.float64).to(dtype)
    same(sigma.derivative(z), truth, sign_of_zero=False)


@pytest.mark.parametrize("sigma", [Sigmoid(), Tanh(), ReLU(), ELU()], ids=room_name)
def test_evaluate_has_the_special_values_too(sigma) -> None:
    """The two buffers hold what value and derivative return, NaN for NaN."""
    z = torch.tensor([*SPECIAL, *LARGE])
    a, slope = torch.empty_like(z), torch.empty_like(z)
    sigma.evaluate(z, a, slope)
    same(a, sigma.value(z))
    same(slope, sigma.derivative(z))


@every_room
def test_special_values_are_the_known_answers(sigma) -> None:
    """Limits and one-sided derivatives, by hand."""
    columns = zip(*KNOWN[room_name(sigma)], strict=True)
    z, a, slope = (torch.tensor(column, dtype=torch.float64) for column in columns)
    same(sigma.value(z), a)
    same(sigma.derivative(z), slope)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.7, 1.0, 1.5, 3.0])
def test_the_derivative_of_elu_at_its_kink_is_alpha(alpha) -> None:
    """At 0 and -0 the left branch counts, just above 0 the right one."""
    z = torch.tensor([-0.0, 0.0, 1e-40])
    assert ELU(alpha).derivative(z).tolist() == pytest.approx([alpha, alpha, 1.0])


def test_where_torchs_operators_lose_the_gradient() -> None:
    """The facts that the rooms' docstrings state about torch, seen through the native rule."""

    def at(z: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.tensor([z], dtype=dtype)

    assert Sigmoid("native").derivative(at(17.0)) == 0 < Sigmoid().derivative(at(17.0))
    assert Sigmoid("native").derivative(at(6.25, torch.bfloat16)) == 0
    assert float(Sigmoid().derivative(at(6.25, torch.bfloat16))) == pytest.approx(1.93e-3, rel=4e-3)
    assert Tanh("native").derivative(at(9.1)) == 0
    assert float(Tanh().derivative(at(9.1))) == pytest.approx(4.988e-8, rel=1e-3)
    assert GELU("native").value(at(-5.6)) == 0
    assert float(GELU().value(at(-5.6))) == pytest.approx(-6.002e-8, rel=1e-3)
    assert SiLU("native").value(at(-88.8)) == 0
    assert float(SiLU().value(at(-88.8))) == pytest.approx(-2.416e-37, rel=1e-3)
    assert Softplus("native").second_derivative(at(21.0, torch.float64)) == 0
    assert Softplus().second_derivative(at(21.0, torch.float64)) > 7e-10
