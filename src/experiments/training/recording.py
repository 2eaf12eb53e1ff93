"""From what a step left behind to what the ledger's quantities look at."""

from collections.abc import Sequence

from torch import Tensor

from experiments.core.activation import Activation
from experiments.core.probe import LayerPass
from experiments.training.engine import Trace
from experiments.training.parameters import StackParameters


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
