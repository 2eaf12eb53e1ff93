"""The same promises on a CUDA device. Skipped where there is none."""

import numpy as np
import pytest
import torch
from tests.activations.rooms import every_case, oracle_of, wide_oracle_of
from tests.activations.test_accuracy import ENDS, HALVES, sample
from tests.activations.test_special_values import SPECIAL, same
from tests.oracles.activations import half_ulps, ulps

from experiments.activations import ELU, SELU, LeakyReLU

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

#: the sum of a positive and a negative part: on CUDA clamp(-0.0, min=0.0) is +0.0, and so is the sum
HALVED = (ELU, SELU, LeakyReLU)


@every_case
@pytest.mark.parametrize("dtype", ENDS, ids=str)
def test_value_and_derivative_are_right_to_four_ulp(sigma, dtype) -> None:
    """float32 and float64, both tails, against 60 digits."""
    z = sample(dtype, 800)
    for order, method in enumerate((sigma.value, sigma.derivative)):
        found = method(z.cuda()).cpu().numpy()
        assert ulps(found, oracle_of(sigma)[order], z.tolist()).max() <= 4.0


@every_case
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_half_types_are_right_on_every_bit_pattern(sigma, dtype) -> None:
    """float16 and bfloat16 within 1 unit in the last place, for all finite numbers."""
    z = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(dtype)
    z = z[z.isfinite()]
    for order, method in enumerate((sigma.value, sigma.derivative)):
        found = method(z.cuda()).cpu().double().numpy()
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            truth = wide_oracle_of(sigma)[order](z.double().numpy())
            assert half_ulps(found, truth, *HALVES[dtype]).max() <= 1.0


@every_case
@pytest.mark.parametrize("dtype", [*ENDS, *HALVES], ids=str)
def test_special_values_are_those_of_torchs_operator(sigma, dtype) -> None:
    """Infinities, NaN, signed zeros and subnormals, as torch's operator has them on the device."""
    z = torch.tensor(SPECIAL, dtype=dtype, device="cuda", requires_grad=True)
    value = sigma.operator(z)
    (slope,) = torch.autograd.grad(value.sum(), z)
    (found,) = torch.autograd.grad(sigma(z).sum(), z)
    same(sigma(z).detach(), value.detach(), sign_of_zero=not isinstance(sigma, HALVED))
    same(found, slope, sign_of_zero=False)


@every_case
def test_every_way_to_differentiate(sigma) -> None:
    """gradcheck and gradgradcheck, forward mode and batched; hessian; vmap of grad."""
    z = torch.tensor([-3.0, -1.1, -0.4, 0.3, 1.2], dtype=torch.float64, device="cuda")
    z.requires_grad_()
    torch.autograd.gradcheck(sigma, z, check_forward_ad=True, check_batched_grad=True)
    torch.autograd.gradgradcheck(sigma, z, check_fwd_over_rev=True, check_batched_grad=True)
    point = z.detach()
    hessian = torch.func.hessian(lambda x: sigma(x).sum())(point)
    torch.testing.assert_close(hessian, sigma.second_derivative(point).diag())
    slopes = torch.func.vmap(torch.func.grad(sigma))(point)
    torch.testing.assert_close(slopes, sigma.derivative(point))


@every_case
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_autocast(sigma, dtype) -> None:
    """After a product in a 16-bit type sigma stays in it, and the backward runs outside."""
    x = torch.randn(8, 8, device="cuda", requires_grad=True)
    with torch.autocast("cuda", dtype=dtype):
        a = sigma(x @ torch.eye(8, device="cuda"))
    a.float().sum().backward()
    assert a.dtype == dtype
    torch.testing.assert_close(x.grad, sigma.derivative(x.detach()), rtol=4e-2, atol=4e-2)


@every_case
def test_evaluate_is_value_and_derivative(sigma) -> None:
    """The two buffers hold what value and derivative return, but for subnormal results."""
    z = torch.linspace(-100, 100, 4001, device="cuda")
    a, slope = torch.empty_like(z), torch.empty_like(z)
    sigma.evaluate(z, a, slope)
    kind = torch.finfo(z.dtype)
    for found, expected in ((a, sigma.value(z)), (slope, sigma.derivative(z))):
        torch.testing.assert_close(found, expected, rtol=8 * kind.eps, atol=2 * kind.tiny)
