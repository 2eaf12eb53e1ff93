"""Contract of a probe: one layer's pass in, named numbers out, one per run."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class LayerPass:
    """What a quantity may look at: one layer l of a stack of R runs, at one step.

    Layers of one shape may lie behind each other along the run axis, since no quantity mixes what
    lies along it: then R stands for layers times runs, layer by layer.

    Attributes:
        layers: which layers, as list entries from 0 (layer l = 2).
        z: z^[l], (R, batch, n).
        a: a^[l], (R, batch, n).
        delta: dC/dz^[l] of the mean cost C (1/batch included), (R, batch, n).
        derivative: sigma'(z^[l]), (R, batch, n).
        weight: W^[l] before the update, (R, n, n_prev).
        weight_gradient: dC/dW^[l], (R, n, n_prev).
        bias_gradient: dC/db^[l], (R, n).
        update: the change of W^[l] by the optimiser's step that follows, (R, n, n_prev); None where
            no step follows.
        max_derivative: the activation's bound on |sigma'|.
    """

    layers: tuple[int, ...]
    z: Tensor
    a: Tensor
    delta: Tensor
    derivative: Tensor
    weight: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor
    update: Tensor | None
    max_derivative: float


class Quantity(ABC):
    """One idea worth recording per layer: a pure function of a pass, reduced on the device."""

    #: the ledger columns it fills, in order
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        """One tensor (R,) per column."""
