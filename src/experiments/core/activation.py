"""Contract of an activation: a value, its derivatives, and declared facts."""

from abc import ABC, abstractmethod
from functools import partial
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from experiments.core.elementwise import (
    Elementwise,
    Formula,
    differentiable,
    operator_derivative,
)
from experiments.core.errors import ConfigurationError, describe
from experiments.core.operations import Operations, quiet

DerivativeRule = Literal["exact", "native"]


class Activation(nn.Module, ABC):
    """An elementwise function sigma with hand-written derivatives.

    Every method takes a tensor of any shape, contiguous or not, in any float type, and returns a new
    tensor of the same shape and type. float16 and bfloat16 are computed in a wider type and rounded
    once.

    * ``sigma(z)`` and ``derivative(z)`` are differentiable. The gradient of sigma is the hand-written
      sigma', and the gradient of sigma' the hand-written sigma'': both keep their digits in the
      tails. A fused layer may call ``derivative(z)`` in its own backward and be differentiated again.
    * ``value(z)`` and ``second_derivative(z)`` are plain formulas, for use without a graph.
    * ``evaluate(z, a, derivative)`` fills buffers, for code that differentiates by hand;
      ``bind(z, a, derivative)`` gives the same as operations, for loops that do it every step.

    A room sets the class attributes below (facts that depend on an argument: in ``__init__``) and
    writes ``operator`` and ``operations``. It overrides nothing else.

    Args:
        derivative: ``"exact"`` keeps its digits in the tails. ``"native"`` is torch's own operator,
            forward and backward, whose sigma' is for some functions rebuilt from a rounded output.

    Raises:
        ConfigurationError: for any other rule.
    """

    #: sup of |sigma'|
    max_derivative: float
    #: points where sigma' or sigma'' jumps (a quadrature must be split there)
    kinks: tuple[float, ...] = ()
    #: the ends, "left" and "right", at which sigma' tends to 0
    saturates: tuple[str, ...] = ()
    #: (infimum, supremum) of the values
    range: tuple[float, float]

    #: names of the attributes that are sigma's own numbers, in the order the formulas take them
    arguments: tuple[str, ...] = ()
    #: sigma, sigma' and sigma'' as plain formulas of z and those numbers
    formulas: tuple[Formula, Formula, Formula]
    #: sigma and sigma' as autograd sees them
    functions: tuple[type[Elementwise], type[Elementwise]]

    def __init__(self, derivative: DerivativeRule | str = "exact") -> None:
        super().__init__()
        if derivative not in ("exact", "native"):
            raise ConfigurationError(
                describe(
                    f"derivative={derivative!r}",
                    "'exact' or 'native'",
                    "use derivative='exact' unless torch's rounding is what you study",
                )
            )
        self.rule = derivative

    @abstractmethod
    def operator(self, z: Tensor) -> Tensor:
        """Torch's own operator for sigma, the ``native`` rule."""

    @abstractmethod
    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        """What writes sigma(z) and sigma'(z) by the exact rule, in order; called by ``bind``."""

    def forward(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """a = sigma(z), differentiable: autograd is given sigma' by hand."""
        if self.rule == "native":
            return self.operator(z)
        return differentiable(self.functions[0], z, *self._numbers)

    @final
    def value(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """a = sigma(z)."""
        if self.rule == "native":
            return self.operator(z)
        return self.formulas[0](z, *self._numbers)

    @final
    def derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """sigma'(z), the diagonal of D^[l]; differentiable, with sigma'' as its gradient."""
        if self.rule == "native":
            return operator_derivative(self.operator, z)
        return differentiable(self.functions[1], z, *self._numbers)

    @final
    def second_derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """sigma''(z)."""
        if self.rule == "native":
            return operator_derivative(self.operator, z, order=2)
        return self.formulas[2](z, *self._numbers)

    @final
    def evaluate(
        self, z: Float[Tensor, "*n"], a: Float[Tensor, "*n"], derivative: Float[Tensor, "*n"]
    ) -> None:
        """Write sigma(z) into ``a`` and sigma'(z) into ``derivative``, in few passes over memory.

        No graph is recorded. Equal to ``value`` and ``derivative`` to a few units in the last place;
        results below the smallest normal number may be 0.

        Args:
            z: weighted inputs; not changed.
            a: receives sigma(z); the shape and type of z, sharing no memory with z.
            derivative: receives sigma'(z); likewise, and sharing none with ``a``.
        """
        with torch.no_grad(), quiet():
            for operation in self.bind(z.detach().resolve_neg(), a, derivative):
                operation()

    @final
    def bind(
        self, z: Float[Tensor, "*n"], a: Float[Tensor, "*n"], derivative: Float[Tensor, "*n"]
    ) -> Operations:
        """``evaluate`` as operations on these three tensors, to be called in order, again and again.

        Call them without a graph and inside ``experiments.core.operations.quiet()``.

        Args:
            z: as for ``evaluate``, without a gradient.
            a: likewise.
            derivative: likewise.
        """
        if self.rule == "native":
            return (partial(self._differentiate_operator, z, a, derivative),)
        return self.operations(z, a, derivative)

    @final
    def extra_repr(self) -> str:
        numbers = [f"{name}={getattr(self, name)!r}" for name in self.arguments]
        return ", ".join([*numbers, f"derivative={self.rule!r}"])

    def _differentiate_operator(self, z: Tensor, a: Tensor, derivative: Tensor) -> None:
        with torch.inference_mode(False), torch.enable_grad():
            leaf = (z.clone() if z.is_inference() else z.detach()).requires_grad_()
            value = self.operator(leaf)
            one = value.new_ones(()).expand_as(value)
            (slope,) = torch.autograd.grad(value, leaf, one)
        a.copy_(value.detach())
        derivative.copy_(slope)

    @property
    def _numbers(self) -> tuple[float, ...]:
        return tuple(getattr(self, name) for name in self.arguments)
