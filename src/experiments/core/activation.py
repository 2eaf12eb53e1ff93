"""Contract of an activation: a value, its derivatives, and declared facts."""

from abc import ABC, abstractmethod
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from experiments.core.errors import ConfigurationError, describe

DerivativeRule = Literal["exact", "native"]


class Activation(nn.Module, ABC):
    """An elementwise function sigma with hand-written derivatives.

    Every method takes a tensor of any shape, contiguous or not, in any float type, and returns a new
    tensor of the same shape and type; float16 and bfloat16 are computed in float32 and rounded once.

    ``value`` is a plain formula. ``forward`` and ``derivative`` are differentiable: the gradient of
    sigma is the hand-written sigma', the gradient of sigma' the hand-written sigma'', exact in the
    tails. A fused layer may therefore call ``derivative(z)`` in its own backward and still be
    differentiated twice.

    Rooms declare their facts as class attributes, or as attributes where they depend on an argument.

    Args:
        derivative: ``"exact"`` keeps its digits in the tails; ``"native"`` is torch's own rule, which
            rebuilds sigma' from the rounded output. The two differ only for functions that saturate.

    Raises:
        ConfigurationError: for any other rule.
    """

    #: sup of |sigma'|
    max_derivative: float
    #: points where sigma' or sigma'' jumps (a quadrature must be split there)
    kinks: tuple[float, ...] = ()
    #: which ends flatten out (sigma' tends to 0): "left", "right"
    saturates: tuple[str, ...] = ()
    #: (infimum, supremum) of the values
    range: tuple[float, float]

    def __init__(self, derivative: DerivativeRule = "exact") -> None:
        super().__init__()
        if derivative not in ("exact", "native"):
            raise ConfigurationError(
                describe(
                    f"derivative={derivative!r}",
                    "'exact' or 'native'",
                    "use derivative='exact' unless torch's rounding is what you study",
                )
            )
        self.rule: DerivativeRule = derivative

    @abstractmethod
    def value(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """a = sigma(z)."""

    @abstractmethod
    def derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """sigma'(z), the diagonal of D^[l]; differentiable, with sigma'' as its gradient."""

    @abstractmethod
    def second_derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """sigma''(z)."""

    @abstractmethod
    def forward(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """a = sigma(z), differentiable: autograd is given sigma' by hand."""

    @abstractmethod
    def evaluate(
        self, z: Float[Tensor, "*n"], a: Float[Tensor, "*n"], derivative: Float[Tensor, "*n"]
    ) -> None:
        """Write sigma(z) into ``a`` and sigma'(z) into ``derivative``, in few passes over memory.

        For loops that differentiate by hand: no graph, no temporaries of the size of z where that is
        possible. Equal to ``value`` and ``derivative`` to a few units in the last place; results
        below the smallest normal number may be 0.

        Args:
            z: weighted inputs.
            a: receives sigma(z); the shape and type of z, sharing no memory with it.
            derivative: receives sigma'(z); likewise, and sharing none with ``a``.
        """
