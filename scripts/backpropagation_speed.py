"""How fast is backpropagation by hand, against torch's eager autograd and with subnormal numbers?

    python scripts/backpropagation_speed.py                 both tables
    python scripts/backpropagation_speed.py speed           ratios to autograd
    python scripts/backpropagation_speed.py subnormals      what subnormal numbers cost

Everything runs on one thread. Contenders take turns, and each one's time is the least of many in
processor seconds of this process, so that other work on the machine disturbs little. Below 1 the
recursion by hand is faster.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.activations import ReLU, Sigmoid, Tanh
from experiments.backprop import BackpropagationBuffers, backpropagate
from experiments.core.activation import Activation
from experiments.initializers import Glorot, He
from experiments.losses import HalfSquaredError
from experiments.models import MLP

Call = Callable[[], object]
#: turns that every contender gets, even where they take longer than the budget
AT_LEAST = 7

TWINS: dict[type[Activation], type[nn.Module]] = {
    Sigmoid: nn.Sigmoid,
    Tanh: nn.Tanh,
    ReLU: nn.ReLU,
}


@dataclass(frozen=True)
class Ratio:
    """Seconds of a whole pass (forward, deltas, all gradients), and the ratios to autograd's."""

    activation: str
    width: int
    depth: int
    batch: int
    buffered: float
    plain: float
    autograd: float

    @property
    def buffered_ratio(self) -> float:
        return self.buffered / self.autograd

    @property
    def plain_ratio(self) -> float:
        return self.plain / self.autograd


def twin(net: MLP) -> nn.Sequential:
    """The same network from torch's own modules, with the same parameters."""
    modules: list[nn.Module] = []
    for W, b, sigma in zip(net.weights, net.biases, net.activations, strict=True):
        linear = nn.Linear(W.shape[1], W.shape[0], dtype=W.dtype)
        linear.load_state_dict({"weight": W.detach(), "bias": b.detach()})
        modules.append(linear)
        if type(sigma) in TWINS:
            modules.append(TWINS[type(sigma)]())
    return nn.Sequential(*modules)


def least_seconds(calls: Sequence[Call], budget: float) -> list[float]:
    """Processor seconds of the fastest call of each, in short turns, for ``budget`` seconds or more."""
    for call in calls:
        call()
    best = [float("inf")] * len(calls)
    end, turns = time.process_time() + budget, 0
    while time.process_time() < end or turns < AT_LEAST:
        turns += 1
        for i, call in enumerate(calls):
            turn = time.process_time() + 0.005
            while (start := time.process_time()) < turn:
                call()
                best[i] = min(best[i], time.process_time() - start)
    return best


def passes(
    sigma: type[Activation], width: int, depth: int, batch: int = 32
) -> tuple[Call, Call, Call]:
    """One whole pass of the same network: by hand in buffers, by hand in new memory, by autograd.

    16 inputs, ``depth`` hidden layers of ``width``, 10 outputs.
    """
    initializer = He() if sigma is ReLU else Glorot()
    net = MLP((16, *[width] * depth, 10), sigma(), initializer, seed=0)
    x, t, loss = torch.randn(batch, 16), torch.randn(batch, 10), HalfSquaredError()
    buffers, torchs = BackpropagationBuffers(net, batch), twin(net)

    def autograd() -> None:
        torchs.zero_grad(set_to_none=True)
        (0.5 * (torchs(x) - t).square().sum(-1)).mean().backward()

    return (
        lambda: backpropagate(net, x, t, loss, buffers=buffers),
        lambda: backpropagate(net, x, t, loss),
        autograd,
    )


def compare(
    sigma: type[Activation], width: int, depth: int, batch: int, budget: float = 1.0
) -> Ratio:
    """Measure one network."""
    seconds = least_seconds(passes(sigma, width, depth, batch), budget)
    return Ratio(sigma.__name__, width, depth, batch, *seconds)


@dataclass(frozen=True)
class SubnormalCost:
    """What subnormal numbers cost in one product or pass, and what flushing them to 0 changes.

    Attributes:
        what: the operation.
        kept: seconds with subnormals, over seconds with normal numbers (for a pass: over flushed).
        flushed: the same with ``torch.set_flush_denormal(True)``.
        subnormal: share of the results that are subnormal when they are kept.
        lost: share of the results that are 0 only when they are flushed.
    """

    what: str
    kept: float
    flushed: float
    subnormal: float
    lost: float


def subnormal_product(width: int, batch: int) -> SubnormalCost:
    """delta @ W with every entry of delta near 1e-40, against entries near 1."""
    delta, W = torch.randn(batch, width), torch.randn(width, width) / width**0.5
    out, tiny = torch.empty(batch, width), 1e-40 * delta
    (normal,) = least_seconds([lambda: torch.mm(delta, W, out=out)], 0.5)
    kept = least_seconds([lambda: torch.mm(tiny, W, out=out)], 0.5)[0], out.clone()
    with_flush = torch.set_flush_denormal(True)
    flushed = least_seconds([lambda: torch.mm(tiny, W, out=out)], 0.5)[0], out.clone()
    torch.set_flush_denormal(False)
    if not with_flush:
        flushed = float("nan"), kept[1]
    return SubnormalCost(
        f"({batch}, {width}) @ ({width}, {width})",
        kept[0] / normal,
        flushed[0] / normal,
        _subnormal_share(kept[1]),
        float(((kept[1] != 0) & (flushed[1] == 0)).double().mean()),
    )


def subnormal_pass(width: int, depth: int, batch: int) -> SubnormalCost:
    """A whole pass of a sigmoid network whose gradient dies out, against the same pass flushed."""
    net = MLP((16, *[width] * depth, 10), Sigmoid(), Glorot(), seed=0)
    x, t, loss = torch.randn(batch, 16), torch.randn(batch, 10), HalfSquaredError()
    buffers = BackpropagationBuffers(net, batch)

    def once() -> Tensor:
        passed = backpropagate(net, x, t, loss, buffers=buffers)
        return torch.cat([delta.flatten() for delta in passed.deltas])

    kept = least_seconds([once], 1.0)[0], once()
    torch.set_flush_denormal(True)
    flushed = least_seconds([once], 1.0)[0], once()
    torch.set_flush_denormal(False)
    return SubnormalCost(
        f"pass, sigmoid, width {width}, depth {depth}",
        kept[0] / flushed[0],
        1.0,
        _subnormal_share(kept[1]),
        float(((kept[1] != 0) & (flushed[1] == 0)).double().mean()),
    )


def _subnormal_share(values: Tensor) -> float:
    tiny = torch.finfo(values.dtype).tiny
    return float(((values != 0) & (values.abs() < tiny)).double().mean())


def main(wanted: Sequence[str]) -> None:
    """Print the tables asked for."""
    torch.set_num_threads(1)
    if "speed" in wanted:
        print("activation width depth batch   autograd  buffered ratio  plain ratio")
        for sigma in TWINS:
            for width in (16, 64, 256, 1024):
                for depth in (2, 4, 16, 64):
                    r = compare(sigma, width, depth, batch=32)
                    print(
                        f"{r.activation:10} {width:5} {depth:5} {r.batch:5} "
                        f"{r.autograd * 1e6:8.0f}us {r.buffered_ratio:12.2f} {r.plain_ratio:12.2f}",
                        flush=True,
                    )
    if "subnormals" in wanted:
        print("\nwhat                                  kept  flushed  subnormal  lost by flushing")
        for cost in (
            subnormal_product(64, 64),
            subnormal_product(256, 64),
            subnormal_pass(64, 64, 64),
            subnormal_pass(256, 64, 64),
        ):
            print(
                f"{cost.what:35} {cost.kept:6.2f} {cost.flushed:8.2f} {cost.subnormal:10.3f} "
                f"{cost.lost:17.3f}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time the recursions against torch's autograd.")
    tables = ["speed", "subnormals"]
    parser.add_argument(
        "tables", nargs="*", default=tables, help="speed, subnormals, or both (default)"
    )
    main(parser.parse_args().tables)
