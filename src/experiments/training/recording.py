"""From what a step left behind to what the ledger's quantities look at."""

from collections.abc import Sequence

import torch
from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.probe import LayerPass
from experiments.layers import LayerRecord
from experiments.training.flat import FlatParameters


@torch.no_grad()
def layer_passes(
    activations: Sequence[Activation],
    flat: FlatParameters,
    records: Sequence[LayerRecord],
    values: Tensor,
    gradients: Tensor,
    update: Tensor | None,
) -> list[LayerPass]:
    """One pass per layer of a stack.

    Args:
        activations: sigma of every layer.
        flat: knows how a buffer (R, P) is cut into layers.
        records: what the step left in every layer; delta is dC/dz of every run's own mean cost.
        values: all parameters before the update, (R, P).
        gradients: of the mean cost, without penalties, (R, P).
        update: the change of all parameters by the update that follows, (R, P), or None.
    """
    weights, _ = flat.views_of(values)
    weight_gradients, bias_gradients = flat.views_of(gradients)
    moved = [None] * len(records) if update is None else flat.views_of(update)[0]
    return [
        LayerPass(
            z=record.z,
            a=record.a,
            delta=record.delta,
            derivative=sigma.derivative(record.z),
            weight=weight,
            weight_gradient=weight_gradient,
            bias_gradient=bias_gradient,
            update=step,
            max_derivative=sigma.max_derivative,
        )
        for record, sigma, weight, weight_gradient, bias_gradient, step in zip(
            records, activations, weights, weight_gradients, bias_gradients, moved, strict=True
        )
    ]
