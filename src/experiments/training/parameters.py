"""A stack's parameters and gradients in a few contiguous blocks, so that an update is a few kernels."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from experiments.models import MLP
from experiments.training.optimizers import ParameterBlocks


class StackParameters:
    """Owns the memory of all parameters and gradients of a stack; the network's are views of it.

    Attributes:
        values: every parameter of every run, weights first, then biases.
        gradients: of the same shapes, where an engine writes dC/dW and dC/db.
    """

    def __init__(self, net: MLP) -> None:
        self.net = net
        self._adopt(ParameterBlocks([*net.weights, *net.biases]))

    def select(self, keep: Tensor) -> None:
        """Keep only these runs; the memory of the others is freed."""
        del self.gradients  # computed anew; before the remaining runs are copied
        self._adopt(self.values.select(keep))

    @property
    def weights(self) -> list[Tensor]:
        """W^[2] .. W^[L], each (R, n, n_prev)."""
        return self.values.layers[: self._count]

    @property
    def biases(self) -> list[Tensor]:
        """b^[2] .. b^[L], each (R, n)."""
        return self.values.layers[self._count :]

    @property
    def weight_gradients(self) -> list[Tensor]:
        """dC/dW^[l] of every run's own cost."""
        return self.gradients.layers[: self._count]

    @property
    def bias_gradients(self) -> list[Tensor]:
        """dC/db^[l] of every run's own cost."""
        return self.gradients.layers[self._count :]

    def add_penalty_gradient(self, l1: float, l2: float) -> None:
        """Add the gradient of l1 sum |W| + l2/2 sum W^2 (note 003) to the weights' gradients."""
        for weight, gradient in zip(self.weights, self.weight_gradients, strict=True):
            if l1:
                gradient.add_(torch.sign(weight), alpha=l1)
            if l2:
                gradient.add_(weight, alpha=l2)

    def states_of(self, runs: Sequence[int]) -> list[dict[str, Tensor]]:
        """For each of these runs the state_dict that an MLP of it alone would have, on the CPU."""
        host = self.values.on_host(torch.tensor(runs, device=self.values.layers[0].device))
        states: list[dict[str, Tensor]] = [{} for _ in runs]
        pairs = zip(host[: self._count], host[self._count :], strict=True)
        for k, (weights, biases) in enumerate(pairs):
            for state, weight, bias in zip(states, weights, biases, strict=True):
                state[f"layers.{k}.weight"] = weight.clone()  # of its own, not part of a block
                state[f"layers.{k}.bias"] = bias.clone()
        return states

    def _adopt(self, values: ParameterBlocks) -> None:
        self.values = values
        self.gradients = values.like()
        layers = self.net.dense_layers
        self._count = len(layers)
        runs = len(values.layers[0])
        self.net.runs = runs
        for layer, weight, bias in zip(layers, self.weights, self.biases, strict=True):
            layer.runs = runs
            layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
