"""Contract of an activation: a value, its derivatives, and declared facts."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn

from experiments.core.errors import ConfigurationError, describe

DerivativeRule = Literal["exact", "native"]


class Activation(nn.Module, ABC):
    """An elementwise function sigma with hand-written derivatives.

    Three plain functions (``value``, ``derivative``, ``second_derivative``: no graph of their own is
    needed to use them) and ``forward``, the differentiable door, whose backward is written by hand.

    Rooms declare their facts as class attributes, or as attributes where they depend on an argument.

    Args:
        derivative: ``"exact"`` keeps its digits in the tails; ``"native"`` is torch's own rule, which
            rebuilds sigma' from the rounded output. The two differ only for functions that saturate.
    """

    #: sup of |sigma'|
    max_derivative: float
    #: points where sigma' jumps (a quadrature must be split there)
    kinks: ClassVar[tuple[float, ...]] = ()
    #: which ends flatten out: "left", "right"
    saturates: ClassVar[tuple[str, ...]] = ()
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
        """sigma'(z), the diagonal of D^[l]."""

    @abstractmethod
    def second_derivative(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """sigma''(z)."""

    @abstractmethod
    def forward(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """a = sigma(z), differentiable: autograd is given sigma' by hand."""
