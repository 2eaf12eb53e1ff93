"""The gradient ledger: a row of numbers per layer and run, recorded on a schedule.

Everything is reduced on the device, and a record is one tensor and one transfer. No random numbers are
drawn, so recording does not change a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from experiments.core.errors import ConfigurationError, describe
from experiments.core.probe import Quantity, StepPass
from experiments.probes.quantities import (
    ActivationMoments,
    BiasGradientSize,
    DeltaSize,
    DerivativeSize,
    ExactZero,
    Nonfinite,
    Saturation,
    UpdateRatio,
    WeightGradientSize,
)

STANDARD: tuple[type[Quantity], ...] = (
    DeltaSize,
    WeightGradientSize,
    BiasGradientSize,
    DerivativeSize,
    Saturation,
    ExactZero,
    Nonfinite,
    ActivationMoments,
    UpdateRatio,
)


@final
@dataclass(frozen=True)
class Ledger:
    """Which quantities are recorded, and how often.

    Args:
        every: number of steps between records; the initial state (step 0) and the last one are always
            recorded. None records only these two. The last state of a run that diverged or stopped
            early is the one in which it left its stack.
        quantities: the quantities to record, from ``experiments.probes.quantities``.

    Raises:
        ConfigurationError: for ``every`` below 1.
    """

    every: int | None = None
    quantities: Sequence[Quantity] = field(default_factory=lambda: [kind() for kind in STANDARD])

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise ConfigurationError(
                describe(
                    f"probe.every={self.every}",
                    "1 or more",
                    "use null to record only the first and the last state",
                )
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the entries along the last axis of a record."""
        return tuple(name for quantity in self.quantities for name in quantity.columns)

    @property
    def sums(self) -> frozenset[str]:
        """The parts of a step of which its quantities need norms, means or counts."""
        return frozenset(name for quantity in self.quantities for name in quantity.sums)

    def record(self, step: StepPass) -> Tensor:
        """(layers, R, columns), float64, on the CPU: one transfer for the whole record."""
        return torch.stack([number for q in self.quantities for number in q(step)], dim=-1).cpu()
