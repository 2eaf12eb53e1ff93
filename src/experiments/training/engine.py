"""One training step's gradients for a whole stack, into the flat gradient buffer."""

import torch
from torch import Tensor

from experiments.core.loss import Loss
from experiments.layers import LayerRecord
from experiments.models import MLP
from experiments.training.flat import FlatParameters


class AutogradEngine:
    """Loss and gradients through autograd and the layers' hand-written backward.

    Each run's cost depends on its own parameters alone, so the gradient of the sum over runs is
    every run's own gradient.
    """

    def __init__(self, net: MLP, loss: Loss, flat: FlatParameters) -> None:
        self.net = net
        self.loss = loss
        self.flat = flat

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """The cost of every run, (R,); its gradients are then in ``flat.gradients``."""
        return self._differentiate(self.loss(self.net(x), t))

    def recorded(self, x: Tensor, t: Tensor) -> tuple[Tensor, list[LayerRecord]]:
        """The same, and what the pass left in every layer."""
        outputs, records = self.net.recorded_forward(x)
        return self._differentiate(self.loss(outputs, t)), records

    def _differentiate(self, cost: Tensor) -> Tensor:
        net, flat = self.net, self.flat
        gradients = torch.autograd.grad(cost.sum(), [*net.weights, *net.biases])
        views = [*flat.weight_gradient_views, *flat.bias_gradient_views]
        for view, gradient in zip(views, gradients, strict=True):
            view.copy_(gradient)
        return cost.detach()
