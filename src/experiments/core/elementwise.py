"""Elementwise functions with a hand-written derivative, as autograd Functions.

The Jacobian of an elementwise function is diagonal, hence symmetric: the backward product J^T v and
the forward-mode product J v are the same formula. An activation therefore writes only ``forward`` and
``backward``; the context, batching and forward mode are the same for all of them and are defined here.
"""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import (
    TransformType,
    get_interpreter_stack,
    peek_interpreter_stack,
)
from torch.autograd import forward_ad
from torch.autograd.forward_ad import _set_fwd_grad_enabled, unpack_dual

from experiments.core.errors import describe
from experiments.core.signature import with_known_signature

Formula = Callable[..., Tensor]


class Elementwise(torch.autograd.Function):
    """An elementwise function of z and plain numbers, ``forward(z, *numbers)``; it saves only z.

    ``backward(ctx, grad)`` reads z from ``ctx.saved_tensors`` and the numbers from ``ctx.numbers``. It
    returns the gradient of z, and None for each number. ``jvp`` is missing on purpose: torch.compile
    refuses a Function that has one. :func:`apply` adds it outside of the compiler.
    """

    generate_vmap_rule = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        with_known_signature(cls)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        z, *ctx.numbers = inputs
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)


@functools.cache
def forward_mode(function: type[Elementwise]) -> type[Elementwise]:
    """A subclass of ``function`` with a forward-mode rule: its backward, used as J v."""

    def jvp(ctx: Any, z_dot: Tensor, *_: None) -> Tensor:
        # torch disables forward mode inside jvp, which would silently make nested forward mode zero.
        # Once it is enabled again, the tangent of this level must be removed from the saved input
        with _set_fwd_grad_enabled(True):
            primals = tuple(unpack_dual(saved).primal for saved in ctx.saved_tensors)
            primal_ctx = SimpleNamespace(saved_tensors=primals, numbers=ctx.numbers)
            product = function.backward(primal_ctx, z_dot)
            tangent: Tensor = product[0] if isinstance(product, tuple) else product
            return tangent

    return type(f"{function.__name__}ForwardMode", (function,), {"jvp": staticmethod(jvp)})


def apply(function: type[Elementwise], z: Tensor, *numbers: float | int) -> Tensor:
    """``function(z, *numbers)``, differentiable by autograd, forward mode, torch.func and torch.compile.

    Raises:
        NotImplementedError: inside a compiled ``torch.func`` derivative
            (:func:`refuse_compiled_transform`).
    """
    if torch.compiler.is_compiling():
        refuse_compiled_transform()
        result: Tensor = function.apply(z, *numbers)
    elif is_tracked(z):
        result = forward_mode(function).apply(z, *numbers)
    else:  # no graph is needed, as in most backward passes; skipping autograd halves the time
        result = function.forward(z, *numbers)
    return result


def is_tracked(*tensors: Tensor) -> bool:
    """Whether autograd, forward mode or torch.func records what is done with these tensors.

    Must not be called while torch.compile traces the code.
    """
    return (
        (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))
        or forward_ad._current_level >= 0
        or peek_interpreter_stack() is not None
    )


def refuse_compiled_transform() -> None:
    """Refuse to compile a ``torch.func`` derivative, because torch would ignore hand-written rules.

    In ``torch.compile(torch.func.grad(f))`` and similar code, torch up to 2.13 silently ignores a
    hand-written backward. Call this before ``Function.apply`` while compiling: without ``fullgraph``
    the compiler then leaves the function to eager torch, which uses the right rule.

    Raises:
        NotImplementedError: if a ``torch.func`` derivative is being compiled.
    """
    if _derivative_being_traced():
        raise NotImplementedError(
            describe(
                "a torch.func derivative inside torch.compile, which ignores hand-written rules",
                "torch.compile(f) and then .backward(), or the torch.func derivative uncompiled",
                "compile the function, not its derivative; or drop fullgraph=True",
            )
        )


def _derivative_being_traced() -> bool:
    stack = get_interpreter_stack() or ()
    return any(level.key() in (TransformType.Grad, TransformType.Jvp) for level in stack)


# the mark that torch.compiler.assume_constant_result sets; calling that would import the compiler (1 s)
vars(_derivative_being_traced)["_dynamo_marked_constant"] = True


def in_single_precision(formula: Formula) -> Formula:
    """A decorator: compute float16 and bfloat16 inputs in float32 and round once, at the end."""

    @functools.wraps(formula)
    def rounded_once(z: Tensor, *numbers: float | int) -> Tensor:
        if z.dtype in (torch.float16, torch.bfloat16):
            return formula(z.float(), *numbers).to(z.dtype)
        return formula(z, *numbers)

    return rounded_once


def operator_derivative(operator: Formula, z: Tensor, order: int = 1) -> Tensor:
    """The derivative of torch's own operator, rounding included; differentiable again."""
    if not torch.compiler.is_compiling() and torch.is_inference_mode_enabled():
        with torch.inference_mode(False):  # inside it, torch 2.11 silently gives zeros
            return operator_derivative(operator, z.clone() if z.is_inference() else z, order)
    if order == 0:
        return operator(z)
    vjp = torch.func.vjp(lambda x: operator_derivative(operator, x, order - 1), z)[1]
    derivative: Tensor = vjp(torch.ones_like(z))[0]
    return derivative
