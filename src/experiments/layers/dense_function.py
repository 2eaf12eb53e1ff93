r"""One dense layer as a single autograd Function.

Forward (column form of the notes, then one example per row)::

    z^[l] = W^[l] a^[l-1] + b^[l],    a^[l] = sigma(z^[l])
    z = a_prev @ W.T + b

Backward, by hand::

    delta^[l]   = D^[l] dC/da^[l]               delta  = grad_a * sigma'(z)
    dC/dW^[l]   = delta^[l] (a^[l-1])^T         grad_W = delta.T @ a_prev
    dC/db^[l]   = delta^[l]                     grad_b = delta summed over the batch
    dC/da^[l-1] = (W^[l])^T delta^[l]           grad_a_prev = delta @ W

Memory: a_prev, W and z are saved for the backward pass. A torch layer saves a_prev and W too, but not z,
which the exact derivative needs: one more tensor (batch, n) per layer.

References:
    Notes 002 and 003; Higham & Higham (2019), Lemma 5.1.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import _set_fwd_grad_enabled, unpack_dual

from experiments.core.activation import Activation
from experiments.core.elementwise import is_tracked, refuse_compiled_transform
from experiments.core.signature import with_known_signature
from experiments.layers.record import LayerRecord


def affine(a_prev: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """z = a_prev @ W.T + b, for one network (2-D) or a stack of networks (3-D)."""
    if weight.dim() == 2:
        return torch.addmm(bias, a_prev, weight.mT)
    return torch.baddbmm(bias.unsqueeze(-2), a_prev, weight.mT)


@with_known_signature
class DenseFunction(torch.autograd.Function):
    """(a_prev, W, b) -> (a, z) with the backward written by hand.

    z is an output too, so that the z saved for backward is part of the graph and backward can be
    differentiated again.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        a_prev: Tensor,
        weight: Tensor,
        bias: Tensor,
        activation: Activation,
        record: LayerRecord | None,  # noqa: ARG004  used in backward, through the context
    ) -> tuple[Tensor, Tensor]:
        z = affine(a_prev, weight, bias)
        return activation.value(z), z

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        a_prev, weight, _, ctx.activation, ctx.record = inputs
        _, z = output
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(a_prev, weight, z)
        ctx.save_for_forward(a_prev, weight, z)

    @staticmethod
    def backward(
        ctx: Any, grad_a: Tensor | None, grad_z: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        a_prev, weight, z = ctx.saved_tensors
        delta = None if grad_a is None else grad_a * ctx.activation.derivative(z)
        if grad_z is not None:
            delta = grad_z if delta is None else delta + grad_z
        if delta is None:
            return None, None, None, None, None
        if ctx.record is not None:
            ctx.record.delta = delta.detach()
        needs_a_prev, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        grad_weight = delta.mT @ a_prev if needs_weight else None
        grad_bias = delta.sum(-2) if needs_bias else None
        grad_a_prev = delta @ weight if needs_a_prev else None
        return grad_a_prev, grad_weight, grad_bias, None, None


class ForwardModeDenseFunction(DenseFunction):
    """The same with a forward-mode rule; torch.compile refuses Functions that have one."""

    @staticmethod
    def jvp(
        ctx: Any,
        a_prev_dot: Tensor | None,
        weight_dot: Tensor | None,
        bias_dot: Tensor | None,
        *_: None,
    ) -> tuple[Tensor, Tensor]:
        # under nested forward mode the saved tensors are dual numbers: take the primal of this level,
        # and enable forward mode again, which torch disables inside jvp, for the outer levels
        with _set_fwd_grad_enabled(True):
            a_prev, weight, z = (unpack_dual(t).primal for t in ctx.saved_tensors)
            z_dot = torch.zeros_like(z)
            if a_prev_dot is not None:
                z_dot = z_dot + a_prev_dot @ weight.mT
            if weight_dot is not None:
                z_dot = z_dot + a_prev @ weight_dot.mT
            if bias_dot is not None:
                z_dot = z_dot + bias_dot.unsqueeze(-2)
            return ctx.activation.derivative(z) * z_dot, z_dot


def dense(
    a_prev: Tensor,
    weight: Tensor,
    bias: Tensor,
    activation: Activation,
    record: LayerRecord | None = None,
) -> tuple[Tensor, Tensor]:
    """(a, z) of one layer, differentiable by autograd, forward mode, torch.func and torch.compile.

    Raises:
        NotImplementedError: inside a compiled ``torch.func`` derivative, which would ignore the
            hand-written backward.
    """
    if torch.compiler.is_compiling():
        refuse_compiled_transform()
        a, z = DenseFunction.apply(a_prev, weight, bias, activation, record)
    elif is_tracked(a_prev, weight, bias):
        a, z = ForwardModeDenseFunction.apply(a_prev, weight, bias, activation, record)
    else:
        a, z = DenseFunction.forward(a_prev, weight, bias, activation, record)
    return a, z
