"""From what a step left behind to what the ledger's quantities look at."""

from collections.abc import Sequence

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
    SMALL, or not finite.

    Args:
        record: the step's gradients.
        net: before the update.
        x: the step's inputs.
        t: the step's targets.
        loss: the loss.
    """

    def __init__(self, record: "StepRecord", net: MLP, x: Tensor, t: Tensor, loss: Loss) -> None:
        first = torch.stack([trace.delta.abs().amax((1, 2)) for trace in record.traces])
        usual = (first > SMALL) & torch.isfinite(first)
        self.scaled = None if usual.all() else scaled_backpropagate(net, x, t, loss)

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

    Args:
        traces: what the step left in every layer.
        parameters: as they are before the update; gradients of the mean cost, without penalties.
    """

    def __init__(self, traces: Sequence[Trace], parameters: StackParameters) -> None:
        self.traces = traces
        self.parameters = parameters
        self.weights = [w.clone() for w in parameters.weights]
        # penalties are added to the gradients in place
        self.weight_gradients = [g.clone() for g in parameters.weight_gradients]
        self.bias_gradients = [g.clone() for g in parameters.bias_gradients]

    def passes(self, activations: Sequence[Activation], updated: bool) -> list[LayerPass]:
        """One pass per layer of the stack.

        Args:
            activations: sigma of every layer.
            updated: whether the parameters have since been updated; otherwise there is no update.
        """
        updates: list[Tensor | None] = [None] * len(self.traces)
        if updated:
            pairs = zip(self.parameters.weights, self.weights, strict=True)
            updates = [now - before for now, before in pairs]
        return [
            LayerPass(
                z=trace.z,
                a=trace.a,
                delta=trace.delta,
                derivative=trace.derivative,
                weight=weight,
                weight_gradient=weight_gradient,
                bias_gradient=bias_gradient,
                update=update,
                max_derivative=sigma.max_derivative,
            )
            for trace, sigma, weight, weight_gradient, bias_gradient, update in zip(
                self.traces,
                activations,
                self.weights,
                self.weight_gradients,
                self.bias_gradients,
                updates,
                strict=True,
            )
        ]
