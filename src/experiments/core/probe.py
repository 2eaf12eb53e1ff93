"""Contract of a probe: what a step left in every layer in, named numbers out, per layer and run."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from experiments.core.per_layer import PerLayer


@dataclass(frozen=True)
class StepPass:
    """What a quantity may look at: every layer of a stack of R runs, at one step.

    Attributes:
        z: z^[l], (R, batch, n).
        a: a^[l], (R, batch, n).
        delta: dC/dz^[l] of the mean cost C (1/batch included), (R, batch, n).
        derivative: sigma'(z^[l]), (R, batch, n); the layers of a block have one max_derivative.
        weight: W^[l] before the update, (R, n, n_prev).
        bias: b^[l] before the update, (R, n).
        weight_gradient: dC/dW^[l], (R, n, n_prev).
        bias_gradient: dC/db^[l], (R, n).
        update: the change of W^[l] by the optimiser's step that follows, (R, n, n_prev); None where
            no step follows.
        max_derivative: the activation's bound on |sigma'|, of every layer.
    """

    z: PerLayer
    a: PerLayer
    delta: PerLayer
    derivative: PerLayer
    weight: PerLayer
    bias: PerLayer
    weight_gradient: PerLayer
    bias_gradient: PerLayer
    update: PerLayer | None
    max_derivative: tuple[float, ...]


class Quantity(ABC):
    """One idea worth recording per layer: a pure function of a pass, reduced on the device."""

    #: the ledger columns it fills, in order
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        """One tensor (layers, R) per column."""
