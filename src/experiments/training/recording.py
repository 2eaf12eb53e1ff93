"""From what a step left behind to what the ledger's quantities look at."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from experiments.backprop import scaled_backpropagate
from experiments.core.activation import Activation
from experiments.core.loss import Loss
from experiments.core.probe import LayerPass
from experiments.models import MLP
from experiments.training.engine import Trace
from experiments.training.parameters import StackParameters

#: gradients with smaller norms have entries near or below the smallest normal float32
SMALL = 1e-30


class BelowFloats:
    """log10 norms from the scaled recursion, where the step's own floats cannot give them.

    Computed before the update, and only if some layer of some run needs it: its gradient is below
    SMALL, or not finite. The recursion describes the notes' networks alone; others keep what their
    floats give.

    Args:
        record: the step's gradients.
        net: before the update.
        x: the step's inputs.
        t: the step's targets.
        loss: the loss.
    """

    def __init__(self, record: "StepRecord", net: MLP, x: Tensor, t: Tensor, loss: Loss) -> None:
        deltas = [some.delta.flatten(1) for some in record.passes(False)]
        largest = torch.cat([torch.maximum(rows.amax(1), -rows.amin(1)) for rows in deltas])
        usual = (largest > SMALL) & torch.isfinite(largest)
        needed = net.plain and not usual.all()
        self.scaled = scaled_backpropagate(net, x, t, loss) if needed else None

    def fill(self, table: np.ndarray, columns: Sequence[str]) -> np.ndarray:
        """Put the scaled norms into the ledger's log10 columns where the plain ones are no use.

        Args:
            table: (layers, R, columns) of one record; changed in place and returned.
            columns: their names.
        """
        if self.scaled is None:
            return table
        pairs = (
            ("delta_norm", self.scaled.log10_delta_norms),
            ("weight_gradient_norm", self.scaled.log10_weight_gradient_norms),
        )
        for name, found in pairs:
            if name not in columns:
                continue
            plain = table[..., columns.index(name)]
            target = table[..., columns.index(f"log10_{name}")]
            useless = ~((plain > SMALL) & np.isfinite(plain))
            target[useless] = torch.stack(found).cpu().numpy()[useless]
        return table


class StepRecord:
    """What is kept of one step while its update happens.

    Layers of one shape and slope bound are laid behind each other and looked at together: a deep
    network of one width costs three looks, not one a layer.

    Args:
        traces: what the step left in every layer.
        parameters: as they are before the update; gradients of the mean cost, without penalties.
        activations: sigma of every layer.
        penalised: whether the update adds penalties to the gradients before the record is read.
    """

    def __init__(
        self,
        traces: Sequence[Trace],
        parameters: StackParameters,
        activations: Sequence[Activation],
        penalised: bool,
    ) -> None:
        self.parameters = parameters
        gradients = parameters.weight_gradients
        if penalised:  # penalties are added to the weights' gradients in place
            gradients = [gradient.clone() for gradient in gradients]
        alike: dict[tuple[object, ...], list[int]] = {}
        for k, (weight, sigma) in enumerate(zip(parameters.weights, activations, strict=True)):
            alike.setdefault((weight.shape, sigma.max_derivative), []).append(k)
        self._before = [
            LayerPass(
                layers=tuple(group),
                z=_together([traces[k].z for k in group]),
                a=_together([traces[k].a for k in group]),
                delta=_together([traces[k].delta for k in group]),
                derivative=_together([traces[k].derivative for k in group]),
                # the update follows
                weight=_together([parameters.weights[k] for k in group]).clone(),
                weight_gradient=_together([gradients[k] for k in group]),
                bias_gradient=_together([parameters.bias_gradients[k] for k in group]),
                update=None,
                max_derivative=activations[group[0]].max_derivative,
            )
            for group in alike.values()
        ]

    def passes(self, updated: bool) -> list[LayerPass]:
        """What the ledger looks at; with the change of the weights if they have been updated."""
        if not updated:
            return self._before
        weights = self.parameters.weights
        return [
            replace(some, update=_together([weights[k] for k in some.layers]) - some.weight)
            for some in self._before
        ]


def _together(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors (R, ...) behind each other along the first axis; a view where they lie so already."""
    first, last = tensors[0], tensors[-1]
    start, size = first.data_ptr(), first.numel() * first.element_size()
    places = [tensor.data_ptr() for tensor in tensors]
    # what lies between two ends of one storage is of that storage too
    if (
        places == [start + k * size for k in range(len(tensors))]
        and all(tensor.is_contiguous() for tensor in tensors)
        and first.untyped_storage().data_ptr() == last.untyped_storage().data_ptr()
    ):
        shape = (len(tensors) * len(first), *first.shape[1:])
        return first.as_strided(shape, first.stride())
    return torch.cat(list(tensors))
