"""The autograd half of an elementwise map: context, forward mode, rounding."""

from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.core.elementwise import (
    Elementwise,
    apply,
    forward_mode,
    in_single_precision,
    operator_derivative,
)


class Power(Elementwise):
    """z^n, whose derivative is a power again: every order comes from one rule."""

    @staticmethod
    def forward(z: Tensor, n: int) -> Tensor:
        return z**n

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        (n,) = ctx.numbers
        return grad * n * apply(Power, z, n - 1), None


def fifth(z: Tensor) -> Tensor:
    """z^5, a scalar function."""
    return apply(Power, z, 5).sum()


POINT = torch.tensor([0.5, -2.0, 1.5], dtype=torch.float64)


def test_reverse_mode_nests_to_any_depth() -> None:
    """Four gradients of gradients: 120 z."""
    z, f = POINT.clone().requires_grad_(), fifth
    out = f(z)
    for _ in range(4):
        (out,) = torch.autograd.grad(out.sum(), z, create_graph=True)
    torch.testing.assert_close(out.detach(), 120 * POINT)


def test_forward_mode_nests_to_any_depth() -> None:
    """Three levels of jvp: 60 z^2; without the switch in jvp, torch gives zeros from the second."""

    def f(z: Tensor) -> Tensor:
        return apply(Power, z, 5)

    def tangent(f: Any) -> Any:
        return lambda z: torch.func.jvp(f, (z,), (torch.ones_like(z),))[1]

    torch.testing.assert_close(tangent(f)(POINT), 5 * POINT**4)
    torch.testing.assert_close(tangent(tangent(f))(POINT), 20 * POINT**3)
    torch.testing.assert_close(tangent(tangent(tangent(f)))(POINT), 60 * POINT**2)


def test_forward_and_reverse_mode_mix() -> None:
    """jacfwd of jacrev and jacrev of jacfwd: the diagonal 20 z^3."""
    func = torch.func
    for hessian in (func.jacfwd(func.jacrev(fifth)), func.jacrev(func.jacfwd(fifth))):
        torch.testing.assert_close(hessian(POINT), (20 * POINT**3).diag())


def test_the_numbers_are_not_differentiated_and_not_batched() -> None:
    """vmap runs over z alone; an integer argument stays what it is."""
    cubes = torch.func.vmap(lambda z: apply(Power, z, 3))(POINT)
    torch.testing.assert_close(cubes, POINT**3)


def test_the_twin_is_made_once_and_has_the_same_rule() -> None:
    """One forward-mode class for each Function; it inherits forward and backward."""
    twin = forward_mode(Power)
    assert forward_mode(Power) is twin
    assert twin.forward is Power.forward
    assert twin.backward is Power.backward
    assert not hasattr(Power, "jvp") or Power.jvp is torch.autograd.Function.jvp


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_rounded_once(dtype) -> None:
    """(1 + z) - 1 keeps a small z in float32; step by step in 16 bits it would be 0."""
    formula = in_single_precision(lambda z: (1.0 + z) - 1.0)
    z = torch.tensor([2.0**-14], dtype=dtype)
    assert formula(z).dtype == dtype
    assert formula(z) == z
    assert (1.0 + z) - 1.0 == 0.0


def test_operator_derivatives_are_torchs() -> None:
    """Orders 0, 1 and 2 of torch.sin are sin, cos and -sin; the result can be differentiated."""
    z = POINT.clone().requires_grad_()
    for order, truth in enumerate((POINT.sin(), POINT.cos(), -POINT.sin())):
        torch.testing.assert_close(operator_derivative(torch.sin, z, order).detach(), truth)
    (bend,) = torch.autograd.grad(operator_derivative(torch.sin, z).sum(), z)
    torch.testing.assert_close(bend, -POINT.sin())
