"""Contract of an activation: a value, its derivatives, and declared facts."""

from abc import ABC, abstractmethod
from functools import partial
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from experiments.core.elementwise import (
    Elementwise,
    Formula,
    apply,
    operator_derivative,
)
from experiments.core.errors import ConfigurationError, describe
from experiments.core.operations import Operations, can_compile, compiled, quiet
from experiments.core.scalar import ScalarFormula

#: "exact" or "native"; a config may hold any text, which the constructor refuses
DerivativeRule = Literal["exact", "native"] | str


class Activation(nn.Module, ABC):
    """An elementwise function sigma with hand-written derivatives.

    Every method takes a float tensor of any shape, contiguous or not, and returns a new tensor of the
    same shape and type. float16 and bfloat16 are computed in a wider type and rounded once. Integers and
    booleans become floats of torch's default type; complex numbers are refused.

    * ``sigma(z)`` and ``derivative(z)`` are differentiable. The gradient of sigma is the hand-written
      sigma', and the gradient of sigma' is the hand-written sigma''; both keep their digits in the
      tails. A fused layer may call ``derivative(z)`` in its backward and be differentiated again.
    * ``value(z)`` and ``second_derivative(z)`` are the same numbers without a graph.
    * ``evaluate(z, a, derivative)`` writes into buffers, for code that differentiates by hand.
      ``bind(z, a, derivative)`` prepares the same work once, for loops that repeat it every step.

    A subclass sets the class attributes below, in ``__init__`` if they depend on an argument, and
    implements ``operator`` and ``operations``. It overrides nothing else.

    Args:
        derivative: ``"exact"`` keeps its digits in the tails. ``"native"`` is torch's own operator,
            forward and backward; some of these compute sigma' from the rounded output.

    Raises:
        ConfigurationError: for any other value of ``derivative``.
    """

    #: sup of |sigma'|
    max_derivative: float
    #: points where sigma' or sigma'' jumps; a quadrature must be split there
    kinks: tuple[float, ...] = ()
    #: the sides, "left" and "right", on which sigma' tends to 0
    saturates: tuple[str, ...] = ()
    #: (infimum, supremum) of the values
    range: tuple[float, float]

    #: names of the attributes that parametrise sigma, in the order the formulas take them
    arguments: tuple[str, ...] = ()
    #: sigma, sigma' and sigma'' as plain formulas of z and these parameters
    formulas: tuple[Formula, Formula, Formula]
    #: sigma and sigma' as autograd Functions with a hand-written backward
    functions: tuple[type[Elementwise], type[Elementwise]]
    #: sigma and sigma' of one number, a static method from which a loop is compiled; with None the
    #: activation is computed by ``operations``
    of_number: ClassVar[ScalarFormula | None] = None

    def __init__(self, derivative: DerivativeRule = "exact") -> None:
        super().__init__()
        if derivative not in ("exact", "native"):
            raise ConfigurationError(
                describe(
                    f"derivative={derivative!r}",
                    "'exact' or 'native'",
                    "use derivative='exact', or 'native' to study torch's rounding",
                )
            )
        self.rule: DerivativeRule = derivative

    @abstractmethod
    def operator(self, z: Tensor) -> Tensor:
        """Torch's operator for sigma, which the ``native`` rule uses."""

    @abstractmethod
    def operations(self, z: Tensor, a: Tensor, derivative: Tensor) -> Operations:
        """Calls that together write sigma(z) and sigma'(z) by the exact rule; used by ``bind``."""

    def forward(self, z: Shaped[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """a = sigma(z), differentiable with the hand-written sigma' as its gradient."""
        z = _floating(z)
        if self.rule == "native":
            return self.operator(z)
        return apply(self.functions[0], z, *self._numbers)

    @final
    @torch.no_grad()
    def value(self, z: Shaped[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """a = sigma(z), without a graph."""
        z = _floating(z)
        if self.rule == "native":
            return self.operator(z)
        return self.formulas[0](z, *self._numbers)

    @final
    def derivative(self, z: Shaped[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """sigma'(z), the diagonal of D^[l]; differentiable, with sigma'' as its gradient."""
        z = _floating(z)
        if self.rule == "native":
            return operator_derivative(self.operator, z)
        return apply(self.functions[1], z, *self._numbers)

    @final
    @torch.no_grad()
    def second_derivative(self, z: Shaped[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """sigma''(z), without a graph."""
        z = _floating(z)
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
            a: receives sigma(z). It has the shape and type of z and shares no memory with it.
            derivative: receives sigma'(z). Likewise, and it shares no memory with ``a``.
        """
        with torch.no_grad(), quiet():
            for operation in self.bind(z.detach().resolve_neg(), a, derivative):
                operation()

    @final
    def bind(
        self,
        z: Float[Tensor, "*n"],
        a: Float[Tensor, "*n"],
        derivative: Float[Tensor, "*n"],
        compile: bool = False,
    ) -> Operations:
        """``evaluate`` as a list of calls on these three tensors, to be made in order at every step.

        Make them under ``torch.no_grad()`` and inside ``experiments.core.operations.quiet()``.

        Args:
            z: as in ``evaluate``; must not require a gradient.
            a: as in ``evaluate``.
            derivative: as in ``evaluate``.
            compile: use a loop compiled by Numba, if the activation has a scalar formula and the tensors
                are contiguous, of float32 or float64, on the CPU. The first call takes about a second.

        Raises:
            ConfigurationError: if Numba is needed and cannot compile.
            ValueError: if a loop is compiled, and the three tensors differ in shape or type.
        """
        if self.rule == "native":
            return (partial(self._differentiate_operator, z, a, derivative),)
        if compile and self.of_number is not None and self.compiles(z, a, derivative):
            return (compiled(self.of_number, z, a, derivative, *self._numbers),)
        return self.operations(z, a, derivative)

    @final
    def compiles(self, *tensors: Tensor) -> bool:
        """Whether ``bind`` can use a compiled loop for these tensors."""
        return self.rule != "native" and self.of_number is not None and can_compile(*tensors)

    @final
    def extra_repr(self) -> str:
        arguments = [f"{name}={getattr(self, name)!r}" for name in self.arguments]
        return ", ".join([*arguments, f"derivative={self.rule!r}"])

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


def _floating(z: Tensor) -> Tensor:
    """z itself, or integers and booleans as floats of the default type, as in most of torch's operators.

    Raises:
        ConfigurationError: for complex numbers, and for anything that is not a tensor.
    """
    if isinstance(z, Tensor) and z.is_floating_point():
        return z
    if not isinstance(z, Tensor) or z.is_complex():
        found = f"z of {z.dtype if isinstance(z, Tensor) else type(z).__name__}"
        raise ConfigurationError(
            describe(found, "a tensor of real numbers", "give z.real, or torch.as_tensor(z)")
        )
    return z.to(torch.get_default_dtype())
