"""The autograd Functions of a loss: cost, delta and Hessian product, each by the loss's own formula.

::

    C_d  --backward-->  delta = dC_d/dz  --backward-->  H v = (d delta/dz) v

A loss implements the three formulas; autograd never differentiates through a cost or a delta, only (for
third derivatives) through H v. Only outputs and targets are saved for the backward pass.

Each Function exists twice, because torch.compile refuses a Function that has a forward-mode rule.
"""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from experiments.core.elementwise import refuse_compiled_transform
from experiments.core.signature import with_known_signature


@runtime_checkable
class Formulas(Protocol):
    """The formulas of a loss, for canonical targets ``t``; cost and slope share ``terms``."""

    def terms(self, z: Tensor, t: Tensor) -> Any: ...
    def cost(self, terms: Any) -> Tensor: ...
    def slope(self, terms: Any) -> Tensor: ...
    def hessian_product(self, z: Tensor, t: Tensor, v: Tensor) -> Tensor: ...


class _OfOutputs(Function):
    """A function of (outputs, targets, loss), differentiable in the outputs only."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        z, t, ctx.loss = inputs
        ctx.save_for_backward(z, t)
        ctx.save_for_forward(z, t)


@with_known_signature
class _Delta(_OfOutputs):
    @staticmethod
    def forward(z: Tensor, t: Tensor, loss: Formulas) -> Tensor:
        return loss.slope(loss.terms(z, t))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        z, t = ctx.saved_tensors
        return ctx.loss.hessian_product(z, t, grad), None, None


class _DeltaForwardMode(_Delta):
    @staticmethod
    def jvp(ctx: Any, dz: Tensor, *_: Any) -> Tensor:
        z, t = (forward_ad.unpack_dual(s).primal for s in ctx.saved_tensors)
        # torch disables forward mode inside jvp, which would make the jvp of a jvp zero
        with forward_ad._set_fwd_grad_enabled(True):
            change: Tensor = ctx.loss.hessian_product(z, t, dz)
            return change


@with_known_signature
class _Cost(_OfOutputs):
    @staticmethod
    def forward(z: Tensor, t: Tensor, loss: Formulas) -> Tensor:
        return loss.cost(loss.terms(z, t))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        z, t = ctx.saved_tensors
        return grad.unsqueeze(-1) * delta_at(z, t, ctx.loss), None, None


class _CostForwardMode(_Cost):
    @staticmethod
    def jvp(ctx: Any, dz: Tensor, *_: Any) -> Tensor:
        z, t = (forward_ad.unpack_dual(s).primal for s in ctx.saved_tensors)
        with forward_ad._set_fwd_grad_enabled(True):
            return (delta_at(z, t, ctx.loss) * dz).sum(-1)


def delta_at(z: Tensor, t: Tensor, loss: Formulas) -> Tensor:
    """delta^[L], differentiable: its gradient is the loss's ``hessian_product``.

    Raises:
        NotImplementedError: inside a compiled ``torch.func`` derivative, which would ignore that gradient.
    """
    if not torch.is_grad_enabled():
        return loss.slope(loss.terms(z, t))
    delta: Tensor = _function(_Delta, _DeltaForwardMode).apply(z, t, loss)
    return delta


def cost_at(z: Tensor, t: Tensor, loss: Formulas) -> Tensor:
    """C_d, differentiable: its gradient is the loss's ``slope``.

    Raises:
        NotImplementedError: inside a compiled ``torch.func`` derivative, which would ignore that gradient.
    """
    cost: Tensor = _function(_Cost, _CostForwardMode).apply(z, t, loss)
    return cost


def _function(compiled: type[Function], eager: type[Function]) -> type[Function]:
    if torch.compiler.is_compiling():
        refuse_compiled_transform()
        return compiled
    return eager
