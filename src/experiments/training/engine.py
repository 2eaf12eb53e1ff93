"""One training step's gradients for a whole stack, into the flat gradient buffer."""

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
        self.flat.gradients.zero_()
        cost = self.loss(self.net(x), t)
        cost.sum().backward()
        return cost.detach()

    def recorded(self, x: Tensor, t: Tensor) -> tuple[Tensor, list[LayerRecord]]:
        """The same, and what the pass left in every layer."""
        self.flat.gradients.zero_()
        outputs, records = self.net.recorded_forward(x)
        cost = self.loss(outputs, t)
        cost.sum().backward()
        return cost.detach(), records
