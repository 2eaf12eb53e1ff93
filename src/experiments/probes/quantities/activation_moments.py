"""The forward signal: mean and variance of a^[l] over examples and units."""

from typing import ClassVar, final

from torch import Tensor

from experiments.core.probe import LayerPass, Quantity
from experiments.probes.quantities.per_run import mean_per_run, mean_square_per_run


@final
class ActivationMoments(Quantity):
    """Mean and (population) variance of a^[l]."""

    columns: ClassVar[tuple[str, ...]] = ("activation_mean", "activation_variance")

    def __call__(self, layer: LayerPass) -> tuple[Tensor, ...]:
        mean = mean_per_run(layer.a)
        return mean, (mean_square_per_run(layer.a) - mean.square()).clamp(min=0.0)
