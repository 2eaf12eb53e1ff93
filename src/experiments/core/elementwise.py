"""How an elementwise map and its hand-written derivative are shown to autograd.

An elementwise map has a diagonal Jacobian, and a diagonal matrix is its own transpose: the backward
product J^T v and the forward-mode product J v are one formula. A room therefore writes ``forward``
and ``backward``; the context, batching and forward mode are the same for every room and live here.
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
    """A map of z and plain numbers, ``forward(z, *numbers)``, that keeps z and nothing else.

    ``backward(ctx, grad)`` finds z in ``ctx.saved_tensors`` and the numbers in ``ctx.numbers``; it
    returns the gradient of z and a None for each number. There is no ``jvp`` here, because the
    compiler refuses a Function that has one; :func:`differentiable` adds it where it can.
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
    """The twin of ``function`` with a forward-mode rule: its backward, read as J v."""

    def jvp(ctx: Any, z_dot: Tensor, *_: None) -> Tensor:
        # torch switches forward mode off inside jvp, and nested forward mode is then silently zero;
        # with it on again, the saved input must shed the tangent of this level
        with _set_fwd_grad_enabled(True):
            here = tuple(unpack_dual(saved).primal for saved in ctx.saved_tensors)
            point = SimpleNamespace(saved_tensors=here, numbers=ctx.numbers)
            product = function.backward(point, z_dot)
            tangent: Tensor = product[0] if isinstance(product, tuple) else product
            return tangent

    return type(f"{function.__name__}ForwardMode", (function,), {"jvp": staticmethod(jvp)})


def differentiable(function: type[Elementwise], z: Tensor, *numbers: float | int) -> Tensor:
    """``function(z, *numbers)``, differentiable by every means torch has at the place of the call.

    Raises:
        NotImplementedError: inside a compiled ``torch.func`` derivative, see
            :func:`refuse_compiled_transform`.
    """
    if torch.compiler.is_compiling():
        refuse_compiled_transform()
        result: Tensor = function.apply(z, *numbers)
    elif watched(z):
        result = forward_mode(function).apply(z, *numbers)
    else:  # nobody differentiates, as in most backward passes: without a node it takes half the time
        result = function.forward(z, *numbers)
    return result


def watched(*tensors: Tensor) -> bool:
    """Whether anything follows what is done with ``tensors``: autograd, forward mode, torch.func.

    Not for code that is being compiled.
    """
    return (
        (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))
        or forward_ad._current_level >= 0
        or peek_interpreter_stack() is not None
    )


def refuse_compiled_transform() -> None:
    """Stop a compiler that is about to differentiate through the operators of a forward.

    Inside ``torch.compile(torch.func.grad(f))`` and its kin, torch up to 2.13 ignores a hand-written
    backward without a word. Call this before ``Function.apply`` while compiling: without
    ``fullgraph`` the compiler then leaves the function to eager torch, which runs the right rule.

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


# torch.compiler.assume_constant_result sets this mark too, but imports the compiler: a second's work
vars(_derivative_being_traced)["_dynamo_marked_constant"] = True


def in_single(formula: Formula) -> Formula:
    """Let a formula compute float16 and bfloat16 in float32, and round once, at the end."""

    @functools.wraps(formula)
    def rounded_once(z: Tensor, *numbers: float | int) -> Tensor:
        if z.dtype in (torch.float16, torch.bfloat16):
            return formula(z.float(), *numbers).to(z.dtype)
        return formula(z, *numbers)

    return rounded_once


def operator_derivative(operator: Formula, z: Tensor, order: int = 1) -> Tensor:
    """The derivative as torch's own operator has it, rounding included; differentiable again."""
    if not torch.compiler.is_compiling() and torch.is_inference_mode_enabled():
        with torch.inference_mode(False):  # torch 2.11 gives zeros inside it, without a word
            return operator_derivative(operator, z.clone() if z.is_inference() else z, order)
    if order == 0:
        return operator(z)
    pull_back = torch.func.vjp(lambda x: operator_derivative(operator, x, order - 1), z)[1]
    derivative: Tensor = pull_back(torch.ones_like(z))[0]
    return derivative
