"""One training step of one network or many, by this laboratory and by its peers, as a callable."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from experiments.activations import Tanh
from experiments.core.operations import has_compiler
from experiments.initializers import Glorot
from experiments.losses import CrossEntropy
from experiments.models import MLP
from experiments.training.engine import AutogradEngine, Engine, RecursionEngine
from experiments.training.optimizers import SGD
from experiments.training.parameters import StackParameters
from experiments.training.steps import Steps

FEATURES, CLASSES, BATCH, LR = 64, 10, 64, 0.01
Step = Callable[[], object]


def data(runs: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(R, batch, 64) inputs and (R, batch) classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(runs, BATCH, FEATURES, generator=generator)
    t = torch.randint(CLASSES, (runs, BATCH), generator=generator)
    return x.to(device), t.to(device)


def widths(depth: int, width: int) -> tuple[int, ...]:
    """(n_1, ..., n_L) of the networks that are timed."""
    return (FEATURES, *[width] * depth, CLASSES)


def stacked(
    runs: int,
    depth: int,
    width: int,
    device: str = "cpu",
    engine: str = "recursion",
    compile: bool = True,
) -> Step:
    """Ours: R networks as one computation, hand-written backward, own optimiser.

    Args:
        runs: networks R.
        depth: hidden layers.
        width: of each.
        device: where.
        engine: "recursion", "graph" (the same and the update, as a CUDA graph) or "autograd".
        compile: let Numba compile the activations, where it is installed and the device is a CPU.
    """
    net = MLP(widths(depth, width), Tanh(), Glorot(), runs=runs).to(device)
    home = StackParameters(net)
    loss, optimizer = CrossEntropy(), SGD(lr=LR)
    x, t = data(runs, device)
    gradients: Engine
    if engine == "autograd":
        gradients = AutogradEngine(net, loss, home)
    else:
        gradients = RecursionEngine(net, loss, home, BATCH, compile and has_compiler())
    return partial(Steps(gradients, optimizer, captured=engine == "graph"), x, t)


def native(depth: int, width: int) -> nn.Sequential:
    """torch's own layers, for the peers."""
    layers: list[nn.Module] = []
    for n_prev, n in zip(widths(depth, width)[:-1], widths(depth, width)[1:], strict=True):
        layers += [nn.Linear(n_prev, n), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def plain_loop(depth: int, width: int, device: str = "cpu", compiled: bool = False) -> Step:
    """torch, eager (or compiled), one network: zero_grad, forward, backward, step."""
    net = native(depth, width).to(device)
    forward = torch.compile(net) if compiled else net
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    x, t = data(1, device)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(forward(x[0]), t[0]).backward()
        optimizer.step()

    return step


def vmapped(runs: int, depth: int, width: int, device: str = "cpu") -> Step:
    """torch.func: grad of one network, vmapped over stacked parameters."""
    nets = [native(depth, width).to(device) for _ in range(runs)]
    parameters, buffers = torch.func.stack_module_state(nets)
    base = nets[0]
    x, t = data(runs, device)

    def cost(p, b, x, t):  # type: ignore[no-untyped-def]
        outputs = torch.func.functional_call(base, (p, b), (x,))
        return nn.functional.cross_entropy(outputs, t)

    gradient = torch.func.vmap(torch.func.grad(cost))

    def step() -> None:
        found = gradient(parameters, buffers, x, t)
        with torch.no_grad():
            for name, p in parameters.items():
                p.sub_(found[name], alpha=LR)

    return step


def jax_vmapped(runs: int, depth: int, width: int) -> Step:
    """JAX: jit(vmap(step)) with donated parameters; raises ImportError without JAX."""
    import jax
    import jax.numpy as jnp

    shapes = list(zip(widths(depth, width)[:-1], widths(depth, width)[1:], strict=True))
    keys = jax.random.split(jax.random.key(0), runs)
    x, t = (jnp.asarray(part.numpy()) for part in data(runs, "cpu"))

    def draw(key):  # type: ignore[no-untyped-def]
        parts = jax.random.split(key, len(shapes))
        return [
            (jax.random.normal(k, (n_prev, n)) / n_prev**0.5, jnp.zeros(n))
            for k, (n_prev, n) in zip(parts, shapes, strict=True)
        ]

    def cost(parameters, x, t):  # type: ignore[no-untyped-def]
        a = x
        for W, b in parameters[:-1]:
            a = jnp.tanh(a @ W + b)
        W, b = parameters[-1]
        logp = jax.nn.log_softmax(a @ W + b)
        return -jnp.take_along_axis(logp, t[:, None], 1).mean()

    def update(parameters, x, t):  # type: ignore[no-untyped-def]
        gradients = jax.grad(cost)(parameters, x, t)
        return jax.tree.map(lambda p, g: p - LR * g, parameters, gradients)

    step_all = jax.jit(jax.vmap(update), donate_argnums=0)
    state = [jax.vmap(draw)(keys)]

    def step() -> None:
        state[0] = jax.block_until_ready(step_all(state[0], x, t))

    return step


def product_floor(runs: int, depth: int, width: int, device: str = "cpu") -> Step:
    """The batched matrix products of a step and nothing else: three a layer."""
    calls = []
    for k, (n_prev, n) in enumerate(
        zip(widths(depth, width)[:-1], widths(depth, width)[1:], strict=True)
    ):
        a = torch.randn(runs, BATCH, n_prev, device=device)
        W = torch.randn(runs, n_prev, n, device=device)
        z = torch.empty(runs, BATCH, n, device=device)
        below, gradient = torch.empty_like(a), torch.empty_like(W)
        calls.append((a, W, z, below if k else None, gradient))

    def step() -> None:
        for a, W, z, below, gradient in calls:
            torch.bmm(a, W, out=z)
            torch.bmm(a.mT, z, out=gradient)
            if below is not None:
                torch.bmm(z, W.mT, out=below)

    return step
