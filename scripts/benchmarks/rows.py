"""The rows of the table: which contenders are timed on which work."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from backpropagation_speed import passes
from torch import nn

from benchmarks import ledger, peers, steps, watched
from benchmarks.timing import Row, compete
from experiments.activations import Sigmoid, Tanh
from experiments.core import operations
from experiments.initializers import Glorot
from experiments.layers import Dense
from experiments.training.stack import chunked

#: steps of one stack before the next has its turn; in training a stack makes all its steps at once
IN_A_ROW = 10


def cpu_rows(quick: bool, only: str | None = None) -> list[Row]:
    """What is measured on one CPU thread: everything, or one of the parts."""
    rows: list[Row] = []
    for name, part in PARTS.items():
        for found in part(quick) if only in (None, name) else ():
            print(
                f"  {found.work}: {found.contender} {found.microseconds:.1f} us, {found.ratio:.2f}"
            )
            rows.append(found)
    return rows


def gpu_rows(
    device: str = "cuda",
    sizes: Sequence[tuple[int, int]] = ((64, 10), (512, 10), (4096, 10), (64, 64)),
) -> list[Row]:
    """Stacks on a GPU against one network after another, and the ledger's price there.

    Args:
        device: where; anything but "cuda" is for trying this out.
        sizes: numbers of networks and depths.
    """
    rows = []
    for runs, depth in sizes:
        contenders = {
            "one after another, eager torch": steps.plain_loop(depth, 32, device),
            "stacked": steps.stacked(runs, depth, 32, device),
            "stacked, as a CUDA graph": steps.stacked(runs, depth, 32, device, engine="graph"),
            "batched products alone": steps.product_floor(runs, depth, 32, device),
        }
        units = dict.fromkeys(contenders, float(runs)) | {"one after another, eager torch": 1.0}
        work = f"{runs} networks, depth {depth}, width 32 (per network and step)"
        rows += compete(work, contenders, units)
    rows += _recorded_steps(64, 32, rounds=20, accelerator="gpu" if device == "cuda" else device)
    return rows


def _elementary(_: bool) -> Iterator[Row]:
    """A narrow layer's product and its activation, for 16 networks."""
    z, W = torch.randn(16, 64, 32), torch.randn(16, 32, 32)
    out, derivative = torch.empty_like(z), torch.empty_like(z)
    whole = Tanh().bind(z, out, derivative)
    contenders = {
        "batched product by torch": lambda: torch.bmm(z, W, out=out),
        "the same by operations.product": operations.product(z, W, out),
        "tanh by torch": lambda: torch.tanh(z, out=out),
        "tanh by operations.tanh": operations.tanh(z, out),
        "tanh and its derivative by operations": lambda: [call() for call in whole],
    }
    if operations.has_compiler():
        (loop,) = Tanh().bind(z, out, derivative, compile=True)
        contenders["the same, compiled"] = loop
    yield from compete("(64, 32) @ (32, 32), and tanh of the result (per network)", contenders, 16)


def _layers(_: bool) -> Iterator[Row]:
    for width in (32, 256):
        x = torch.randn(64, width, requires_grad=True)
        ours = Dense(width, width, Sigmoid(), Glorot())
        theirs = nn.Sequential(nn.Linear(width, width), nn.Sigmoid())
        contenders = {
            "torch Linear + Sigmoid": lambda m=theirs, x=x: m(x).sum().backward(),
            "Dense, exact derivative": lambda m=ours, x=x: m(x).sum().backward(),
        }
        yield from compete(f"layer forward and backward, width {width}", contenders)


def _passes(quick: bool) -> Iterator[Row]:
    """Forward, deltas and all gradients of one network, without an optimiser."""
    for width in (16, 64) if quick else (16, 64, 256, 1024):
        for depth in (4,) if quick else (2, 4, 16, 64):
            buffered, _, autograd = passes(Tanh, width, depth)
            contenders = {"torch eager autograd": autograd, "ours, recursion in buffers": buffered}
            yield from compete(f"one pass, depth {depth}, width {width}, batch 32", contenders)


def _steps(quick: bool) -> Iterator[Row]:
    for depth, width in ((4, 32), (16, 32)) if quick else ((4, 32), (16, 32), (64, 32), (16, 256)):
        contenders = {
            "torch eager": steps.plain_loop(depth, width),
            "ours, recursion": steps.stacked(1, depth, width),
            "ours, autograd": steps.stacked(1, depth, width, engine="autograd"),
        }
        if not quick:
            contenders["torch.compile"] = steps.plain_loop(depth, width, compiled=True)
        yield from compete(f"one network's step, depth {depth}, width {width}", contenders)


def _sweeps(quick: bool) -> Iterator[Row]:
    """64 networks: the same work per network and step."""
    runs = 64
    for depth, width in ((4, 32),) if quick else ((4, 32), (16, 32), (64, 32), (4, 128)):
        contenders = {
            "plain torch loop": steps.plain_loop(depth, width),
            "torch.func.vmap": steps.vmapped(runs, depth, width),
            "stacked": _in_stacks(runs, depth, width),
            "batched products alone": _floor_in_stacks(runs, depth, width),
        }
        units = {name: float(runs) for name in contenders} | {
            "plain torch loop": 1.0,
            "stacked": runs * IN_A_ROW,
            "batched products alone": runs * IN_A_ROW,
        }
        if operations.has_compiler():
            contenders["stacked, without Numba"] = _in_stacks(runs, depth, width, compile=False)
            units["stacked, without Numba"] = runs * IN_A_ROW
        if importlib.util.find_spec("jax") is not None:
            contenders["JAX jit(vmap)"] = steps.jax_vmapped(runs, depth, width)
            units["JAX jit(vmap)"] = runs
        yield from compete(
            f"64 networks, depth {depth}, width {width} (per network and step)", contenders, units
        )


def _command_line(quick: bool) -> Iterator[Row]:
    """A whole sweep, start-up, tables and report included; only the peer's start-up is left out."""
    runs = 64
    for count in (200,) if quick else (1000, 5000, 20_000):
        contenders = {
            "Lightning + DataLoader + TensorBoard": lambda n=count: peers.lightning_seconds(
                4, 32, min(n, 1000)
            ),
            f"scripts/train.py, {runs} seeds": lambda n=count: peers.command_line_seconds(
                runs, 4, 32, n
            ),
        }
        shares = {
            "Lightning + DataLoader + TensorBoard": min(count, 1000),
            f"scripts/train.py, {runs} seeds": count * runs,
        }
        work = f"whole sweep of {count} steps, depth 4, width 32 (per network and step)"
        yield from compete(work, contenders, shares, rounds=3, at_least=0.0)
    count = 500 if quick else 2000
    contenders = {
        "Lightning + DataLoader": lambda: peers.lightning_seconds(4, 32, count, logging=False),
        "train()": lambda: ledger.seconds(1, 4, 32, count, None),
    }
    work = f"one network alone, {count} steps, depth 4, width 32 (per step)"
    yield from compete(work, contenders, count, rounds=3, at_least=0.0)


def _sizes(runs: int, depth: int, width: int) -> list[int]:
    """The stacks that the launcher would make of so many runs on a CPU."""
    one = ledger.stack(1, depth, width, steps=1, every=None)
    return [len(part) for part in chunked(range(runs), one.largest(steps.BATCH))]


def _in_stacks(runs: int, depth: int, width: int, compile: bool = True) -> steps.Step:
    """IN_A_ROW steps of all runs, one stack after another."""
    sizes = _sizes(runs, depth, width)
    calls = [steps.stacked(n, depth, width, compile=compile) for n in sizes]
    return lambda: [call() for call in calls for _ in range(IN_A_ROW)]


def _floor_in_stacks(runs: int, depth: int, width: int) -> steps.Step:
    calls = [steps.product_floor(n, depth, width) for n in _sizes(runs, depth, width)]
    return lambda: [call() for call in calls for _ in range(IN_A_ROW)]


def _runs(quick: bool) -> Iterator[Row]:
    """The price of one more network."""
    for runs in (1, 16, 64) if quick else (1, 4, 16, 64, 256, 1024, 4096):
        contenders = {
            "one stack": steps.stacked(runs, 4, 32),
            "in stacks that fit the cache": _in_stacks(runs, 4, 32),
        }
        units = {"one stack": runs, "in stacks that fit the cache": runs * IN_A_ROW}
        yield from compete(
            f"{runs} networks, depth 4, width 32 (per network and step)", contenders, units
        )


def _recorded_steps(runs: int, width: int, rounds: int, accelerator: str = "cpu") -> list[Row]:
    contenders = {
        "no ledger": ledger.steps(runs, 50, width, None, accelerator),
        "ledger every 10 steps": ledger.steps(runs, 50, width, 10, accelerator),
    }
    work = f"20 steps of {runs} networks, depth 50, width {width} (per network and step)"
    return compete(work, contenders, 20.0 * runs, rounds=rounds, at_least=0.0)


def _ledger(quick: bool) -> Iterator[Row]:
    """What recording costs at depth 50: steps, and with TensorBoard whole trainings."""
    for runs, width, rounds in (
        ((8, 32, 5),) if quick else ((8, 32, 250), (64, 32, 50), (8, 128, 50))
    ):
        yield from _recorded_steps(runs, width, rounds)
    for width, count, rounds in ((32, 50, 3),) if quick else ((32, 400, 9), (128, 300, 3)):
        trained = partial(ledger.seconds, 8, 50, width, count)
        contenders = {
            "no ledger": partial(trained, None),
            "ledger and TensorBoard": partial(trained, 10, tensorboard=True),
        }
        work = f"training 8 networks, depth 50, width {width} (per network and step)"
        yield from compete(work, contenders, count * 8, rounds=rounds, at_least=0.0)


def _watch(quick: bool) -> Iterator[Row]:
    """What it costs to watch a model of torch's own layers."""
    for depth, width in ((50, 32),) if quick else ((50, 32), (10, 256)):
        contenders = {
            "plain torch loop": watched.loop(depth, width),
            "watched every 50 steps": watched.loop(depth, width, "watch", every=50),
            "watched every 10 steps": watched.loop(depth, width, "watch", every=10),
            "torch, every gradient's norm at every step": watched.loop(depth, width, "norms"),
        }
        work = f"a loop of one's own, depth {depth}, width {width} (per step)"
        yield from compete(work, contenders, watched.STEPS, rounds=9)


#: by name: what is measured on a CPU, given whether to be quick
PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "elementary": _elementary,
    "layers": _layers,
    "passes": _passes,
    "steps": _steps,
    "sweeps": _sweeps,
    "runs": _runs,
    "ledger": _ledger,
    "watch": _watch,
    "command_line": _command_line,
}
