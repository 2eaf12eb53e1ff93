r"""A small network as a program of scalar operations, for the tape and for dual numbers.

    v = v + w_jk a_k,   ...,   a_j = sigma(v + b_j)

Deliberately slow: every multiplication becomes one line of the trace table.
"""

import torch

from experiments.backprop.checks import Layer, layers_of, require_network
from experiments.backprop.elementary import Elementary, Real, Traced, evaluate
from experiments.core.errors import describe
from experiments.models import MLP


class ScalarNetwork:
    """The function that a network computes on one example, neuron by neuron.

    Args:
        net: one network (``runs=None``).
        parameters: whether W and b are inputs of the program, too, after x and in the order of
            ``numbers``; otherwise they are constants.

    Raises:
        ValueError: for a stack of networks, layers other than a = sigma(W a_prev + b), or an
            activation without a derivative.
    """

    def __init__(self, net: MLP, parameters: bool = False) -> None:
        require_network(net)
        if net.runs is not None:
            found = f"a stack of runs={net.runs} networks"
            raise ValueError(describe(found, "one network", "build the MLP with runs=None"))
        self.parameters = parameters
        layers = layers_of(net)
        self._weights = [layer.W.tolist() for layer in layers]
        self._biases = [layer.b.tolist() for layer in layers]
        self._sigmas = [_elementary(layer) for layer in layers]

    @property
    def numbers(self) -> list[float]:
        """Every parameter: layer by layer, neuron by neuron, w_j1 .. w_jn and then b_j."""
        return [
            number
            for W, b in zip(self._weights, self._biases, strict=True)
            for row, bias in zip(W, b, strict=True)
            for number in (*row, bias)
        ]

    def __call__(self, *inputs: Traced | Real) -> list[Traced | Real]:
        """a^[L], one number per output neuron."""
        n_in = len(self._weights[0][0])
        count = n_in + (len(self.numbers) if self.parameters else 0)
        if len(inputs) != count:
            found = f"{len(inputs)} inputs"
            raise ValueError(describe(found, f"{count} of them", "give x, then the parameters"))
        a_prev: list[Traced | Real] = list(inputs[:n_in])
        parameters = iter(inputs[n_in:] if self.parameters else self.numbers)
        for W, sigma in zip(self._weights, self._sigmas, strict=True):
            a: list[Traced | Real] = []
            for _ in W:
                z = next(parameters) * a_prev[0]
                for a_k in a_prev[1:]:
                    z = z + next(parameters) * a_k
                a.append(evaluate(sigma, z + next(parameters)))
            a_prev = a
        return a_prev


def _elementary(layer: Layer) -> Elementary:
    """A layer's activation as one elementary operation, in float64."""

    def value(z: float) -> float:
        return float(layer.activation.value(torch.tensor(z, dtype=torch.float64)))

    def derivative(_: float, z: float) -> tuple[float]:
        return (float(layer.derivative(torch.tensor(z, dtype=torch.float64))),)

    derivative(0.0, 0.0)  # a missing derivative fails here, not as a kink during a sweep
    return Elementary(f"{type(layer.activation).__name__.lower()}({{}})", value, derivative)
