"""Steps of a torch user's own loop, plain and observed in several ways."""

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.steps import LR, data, native
from experiments.probes import Watch

#: steps of one timing
STEPS = 100


def loop(depth: int, width: int, observe: str = "", every: int = 1) -> Callable[[], None]:
    """A loop of STEPS steps of torch's own layers and optimiser.

    Args:
        depth: hidden layers.
        width: of each.
        observe: "watch" records the ledger; "norms" reads every gradient's norm as a Python number, as
            Lightning's grad_norm and the snippets of forums do; nothing by default.
        every: steps between records of the watch.
    """
    net, (x, t) = native(depth, width), data(1, "cpu")
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[0]), t[0]).backward()
        if observe == "norms":
            _ = [p.grad.norm().item() for p in net.parameters() if p.grad is not None]
        optimizer.step()

    def plain() -> None:
        for _ in range(STEPS):
            step()

    def watched() -> None:
        watch = Watch(net, every)
        for _ in range(STEPS):
            with watch.step():
                step()

    return watched if observe == "watch" else plain
