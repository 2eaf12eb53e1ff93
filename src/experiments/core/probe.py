"""Contract of a ledger quantity: named numbers per layer and run, computed from one training step."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from experiments.core.per_layer import PerLayer


@dataclass(frozen=True)
class StepPass:
    """The input of a quantity: every layer of a stack of R runs at one step.

    Attributes:
        z: z^[l], (R, batch, n).
        a: a^[l], (R, batch, n).
        delta: dC/dz^[l] of the mean cost C (1/batch included), (R, batch, n).
        derivative: sigma'(z^[l]), (R, batch, n); all layers of a block have the same max_derivative.
        weight: W^[l] before the update, (R, n, n_prev).
        bias: b^[l] before the update, (R, n).
        weight_gradient: dC/dW^[l], (R, n, n_prev).
        bias_gradient: dC/db^[l], (R, n).
        update: the change of W^[l] in the optimiser step that follows, (R, n, n_prev); None if no step
            follows.
        max_derivative: the bound on |sigma'| of the activation of every layer.
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
    """A quantity that is recorded per layer: a pure function of a step, reduced on the device."""

    #: names of the ledger columns, in the order of the result
    columns: ClassVar[tuple[str, ...]]
    #: parts of a step whose norms, means or counts it needs at every record: these may be summed up while
    #: the step is computed, which is faster than reading them afterwards
    sums: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __call__(self, step: StepPass) -> tuple[Tensor, ...]:
        """One tensor (layers, R) per column."""
