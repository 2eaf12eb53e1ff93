"""Arithmetic vanishing: the share of entries of delta^[l] that are exactly 0 as floats."""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import LayerPass, Quantity
from experiments.probes.quantities.per_run import share_equal


@final
class ExactZero(Quantity):
    """Share of exact zeros in delta^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("exact_zero",)

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        return (share_equal(layer.delta, 0.0),)
