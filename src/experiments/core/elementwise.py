"""How an elementwise map and its hand-written derivative are shown to autograd.

An elementwise map has a diagonal Jacobian, and a diagonal matrix is its own transpose: the backward
product J^T v and the forward-mode product J v are one formula. A room therefore writes ``forward``
and ``backward``; setting up the context, batching and forward mode are the same for every room.
"""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import _set_fwd_grad_enabled, unpack_dual

Formula = Callable[..., Tensor]


class Elementwise(torch.autograd.Function):
    """A map of z and plain numbers, ``forward(z, *arguments)``; keeps z and nothing else.

    ``backward(ctx, grad)`` reads z from ``ctx.saved_tensors`` and the numbers from
    ``ctx.arguments``, and returns the gradient of z, then one None for each number. It has no
    ``jvp``, because the compiler refuses a Function that has one; see :func:`differentiable`.
    """

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        z, *ctx.arguments = inputs
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)


@functools.cache
def forward_mode(function: type[Elementwise]) -> type[Elementwise]:
    """The twin of ``function`` with a forward-mode rule: its backward, read as J v."""

    def jvp(ctx: Any, z_dot: Tensor, *_: None) -> Tensor:
        # torch turns forward mode off inside jvp, which makes nested forward mode silently zero;
        # turned on again, the saved input must be stripped of the tangent of this level
        with _set_fwd_grad_enabled(True):
            here = tuple(unpack_dual(saved).primal for saved in ctx.saved_tensors)
            point = SimpleNamespace(saved_tensors=here, arguments=ctx.arguments)
            product = function.backward(point, z_dot)
            return product[0] if isinstance(product, tuple) else product

    return type(f"{function.__name__}ForwardMode", (function,), {"jvp": staticmethod(jvp)})


def differentiable(function: type[Elementwise], z: Tensor, *arguments: float) -> Tensor:
    """``function`` of z, differentiable by every means that torch offers at the place of the call."""
    chosen = function if torch.compiler.is_compiling() else forward_mode(function)
    result: Tensor = chosen.apply(z, *arguments)
    return result


def in_single(formula: Formula) -> Formula:
    """Let a formula compute half-precision arguments in float32 and round once, at the end."""

    @functools.wraps(formula)
    def rounded_once(z: Tensor, *arguments: float) -> Tensor:
        if z.dtype in (torch.float16, torch.bfloat16):
            return formula(z.float(), *arguments).to(z.dtype)
        return formula(z, *arguments)

    return rounded_once


def native_derivative(operator: Formula, z: Tensor, order: int = 1) -> Tensor:
    """The derivative as torch's own operator computes it, rounding included."""
    if order == 0:
        return operator(z)
    value, pull_back = torch.func.vjp(lambda x: native_derivative(operator, x, order - 1), z)
    derivative: Tensor = pull_back(torch.ones_like(value))[0]
    return derivative
