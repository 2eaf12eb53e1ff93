"""A fused Function may call sigma.derivative in its backward, and still be differentiated twice."""

from typing import Any

import torch
from tests.activations.rooms import every_case
from torch import Tensor

from experiments.core.activation import Activation


class Fused(torch.autograd.Function):
    """w z and sigma in one step, as a layer has them; the backward calls sigma.derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, w: Tensor, sigma: Activation) -> tuple[Tensor, Tensor]:
        z = w * x
        return sigma.value(z), z

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, w, ctx.sigma = inputs
        ctx.save_for_backward(x, w, output[1])

    @staticmethod
    def backward(ctx: Any, grad_a: Tensor, grad_z: Tensor) -> tuple[Tensor, Tensor, None]:
        x, w, z = ctx.saved_tensors
        delta = grad_a * ctx.sigma.derivative(z) + grad_z
        return delta * w, delta * x, None


@every_case
def test_a_fused_function_can_be_differentiated_twice(sigma) -> None:
    """gradcheck and gradgradcheck of a Function whose backward calls sigma.derivative(z)."""
    x = torch.tensor([-2.0, -0.7, 0.4, 1.5], dtype=torch.float64, requires_grad=True)
    w = torch.full((4,), 1.3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x, w: Fused.apply(x, w, sigma)[0], (x, w))
    torch.autograd.gradgradcheck(lambda x, w: Fused.apply(x, w, sigma)[0], (x, w))


@every_case
def test_a_fused_function_keeps_the_tails_of_the_second_derivative(sigma) -> None:
    """In float32 its double backward is sigma'' bit for bit, from one tail to the other."""
    x = torch.linspace(-60, 60, 401, requires_grad=True)
    a, _ = Fused.apply(x, torch.ones(()), sigma)
    (slope,) = torch.autograd.grad(a.sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), x)
    assert torch.equal(bend, sigma.second_derivative(x.detach()))
