"""Training as a torch user would write it: functional layers, autograd, torch.optim, one network.

Knows nothing of the package. Rooms are named by their class; their numbers are keyword arguments.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  its customary name
from torch import Tensor

ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "Identity": lambda z: z,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "ReLU": torch.relu,
    "ELU": lambda z, alpha: torch.where(z > 0, z, alpha * torch.expm1(z.clamp(max=0))),
    "LeakyReLU": lambda z, negative_slope: F.leaky_relu(z, negative_slope),
    "SELU": F.selu,
    "Softplus": F.softplus,
    "SiLU": F.silu,
    "GELU": F.gelu,
}

LINKS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "softmax": lambda z: torch.softmax(z, -1),
}

OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}


def cost(room: str, z: Tensor, t: Tensor, link: str, **options: float) -> Tensor:
    """C_d of every example for class indices t (batch,), (batch,)."""
    n = z.shape[-1]
    a, row = LINKS[link](z), F.one_hot(t, n).to(z.dtype)
    match room:
        case "HalfSquaredError":
            return (a - row).square().sum(-1) / 2
        case "SquaredError":
            return (a - row).square().sum(-1)
        case "MeanSquaredError":
            return (a - row).square().mean(-1)
        case "RescaledSquaredError":
            hit = options["k"] * (a - options["M"]).square()
            return torch.where(row == 1, hit, a.square()).mean(-1)
        case "AbsoluteError":
            return (a - row).abs().sum(-1)
        case "BinaryCrossEntropy":
            return F.binary_cross_entropy_with_logits(z, row, reduction="none").sum(-1)
        case "CrossEntropy":
            return F.cross_entropy(z, t, reduction="none")
        case "LabelSmoothedCrossEntropy":
            smoothing = options["smoothing"]
            return F.cross_entropy(z, t, reduction="none", label_smoothing=smoothing)
        case "Focal":
            yes = -((1 - a) ** options["gamma"]) * a.log() * row
            no = -(a ** options["gamma"]) * (1 - a).log() * (1 - row)
            return (yes if link == "softmax" else yes + no).sum(-1)
    raise NotImplementedError(f"no oracle for the loss {room}: write it here")


class Network:
    """Leaves W^[2], b^[2], ..., W^[L], b^[L], and a forward pass that keeps z and a."""

    def __init__(self, state: Mapping[str, Tensor], activation: str, **numbers: float) -> None:
        depth = len(state) // 2
        self.weights = [state[f"layers.{k}.weight"].clone().requires_grad_() for k in range(depth)]
        self.biases = [state[f"layers.{k}.bias"].clone().requires_grad_() for k in range(depth)]
        self.sigma = lambda z: ACTIVATIONS[activation](z, **numbers)

    @property
    def leaves(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def __call__(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(z^[2] .. z^[L], a^[2] .. a^[L]); the output layer has no activation."""
        zs: list[Tensor] = []
        activations: list[Tensor] = []
        a = x
        for W, b in zip(self.weights, self.biases, strict=True):
            zs.append(F.linear(a, W, b))
            a = zs[-1] if len(zs) == len(self.weights) else self.sigma(zs[-1])
            activations.append(a)
        return zs, activations


def descend(
    network: Network,
    loss: Callable[[Tensor, Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: str,
    options: Mapping[str, Any],
    l1: float = 0.0,
    l2: float = 0.0,
) -> list[float]:
    """The mean cost of every batch before the step that follows it; the leaves change in place."""
    steps = OPTIMIZERS[optimizer](network.leaves, **options)
    losses = []
    for x, t in batches:
        mean = loss(network(x)[0][-1], t).mean()
        losses.append(mean.item())
        penalty = sum(l1 * W.abs().sum() + l2 / 2 * W.square().sum() for W in network.weights)
        steps.zero_grad()
        (mean + penalty).backward()
        steps.step()
    return losses


def first_nonfinite(losses: Sequence[float]) -> int | None:
    """The step of the first loss that is no number."""
    return next((k for k, loss in enumerate(losses) if not math.isfinite(loss)), None)
