"""What the library computes of a network on a GPU is what it computes on the CPU; the GPU is emulated."""

import copy
from collections.abc import Iterable
from dataclasses import is_dataclass
from functools import partial

import pytest
import torch
from tests.training.emulated_device import emulated_gpu

from experiments import backprop, probes
from experiments.activations import ReLU, Sigmoid, Tanh
from experiments.initializers import Glorot
from experiments.losses import CrossEntropy, HalfSquaredError
from experiments.models import MLP

F64 = torch.float64


def fitted(net, x, t, loss):
    """Costs and parameters after training in mini-batches."""
    rates = 0.1 if net.runs is None else [0.1, 0.2]
    settings = {"steps": 12, "method": "mini-batch", "batch_size": 4, "l2": 0.01, "tolerance": 1e-9}
    found = backprop.fit(net, x, t, loss, lr=rates, **settings)
    return found.losses, net.weights


def in_buffers(net, x, t, loss):
    """Gradients in preallocated memory, of the second call."""
    buffers = backprop.BackpropagationBuffers(net, len(x))
    backprop.backpropagate(net, x + 1.0, t, loss, buffers=buffers)
    return backprop.backpropagate(net, x, t, loss, buffers=buffers)


def by_autograd(net, x, t, loss):
    """Gradients of the layers' own backward, and of a gradient's size."""
    cost = loss(net(x), t).sum()
    gradients = torch.autograd.grad(cost, net.weights, create_graph=True)
    size = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
    return cost, gradients, torch.autograd.grad(size, net.weights)


CALLS = {
    "backpropagate": partial(backprop.backpropagate, activation_gradients=True),
    "buffers": in_buffers,
    "autograd": by_autograd,
    "fit": fitted,
    "scaled_backpropagate": backprop.scaled_backpropagate,
    "survival": backprop.survival,
    "input_jacobian": lambda net, x, t, loss: backprop.input_jacobian(net, x),
    "parameter_jacobian": lambda net, x, t, loss: backprop.parameter_jacobian(net, x),
    "partial_products": lambda net, x, t, loss: backprop.partial_products(net, x),
    "effective_chi": lambda net, x, t, loss: probes.effective_chi(net, x),
    "gradient_ratio": probes.gradient_ratio,
    "lengths": lambda net, x, t, loss: probes.lengths(net, x),
    "correlations": lambda net, x, t, loss: probes.correlations(net, x, x.flip(0)),
    "singular values": lambda net, x, t, loss: probes.log10_singular_values(net, x),
    "partial singular values": lambda net, x, t, loss: probes.log10_partial_singular_values(net, x),
}
PROBLEMS = {
    "classes": (Tanh(), CrossEntropy(), torch.tensor([0, 2, 1, 1, 0, 2, 2])),
    "numbers": (ReLU(), HalfSquaredError(), torch.linspace(-1.0, 1.0, 21, dtype=F64).view(7, 3)),
    "saturated": (Sigmoid(), HalfSquaredError(link="sigmoid"), torch.eye(7, 3, dtype=F64)),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("runs", [None, 2])
@pytest.mark.parametrize("call", CALLS)
def test_the_gpu_gives_what_the_cpu_gives(call, runs, problem) -> None:
    """Every call that takes a network, on one network and on a stack."""
    sigma, loss, t = PROBLEMS[problem]
    net = MLP((4, 6, 6, 3), sigma, Glorot(), runs=runs, seed=0).double()
    x = torch.linspace(-3.0, 3.0, 28, dtype=F64).sin().view(7, 4)
    # a copy, since a module whose backward has run cannot be moved
    expected = tensors(CALLS[call](copy.deepcopy(net), x, t, loss))
    with emulated_gpu():
        found = tensors(CALLS[call](net.cuda(), x.cuda(), t.cuda(), loss))
        assert {tensor.device.type for tensor in found} == {"cuda"}
        found = [tensor.cpu() for tensor in found]
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14, equal_nan=True)


def test_a_model_of_torchs_is_watched_on_the_gpu() -> None:
    """The ledger of a user's own loop, step by step."""
    found, expected = (watched(device) for device in ("cuda", "cpu"))
    for name, values in expected.items():
        if isinstance(values[0], float):
            assert found[name].tolist() == pytest.approx(values.tolist(), rel=1e-10, nan_ok=True)


def watched(device: str):
    """What ``Watch`` notes of a few steps."""
    generator = torch.Generator().manual_seed(0)
    layers = torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    model = torch.nn.Sequential(*layers).double()
    x, t = torch.randn(20, 4, generator=generator, dtype=F64), torch.arange(20) % 3
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).sin().view_as(parameter))
    with emulated_gpu():
        model, x, t = model.to(device), x.to(device), t.to(device)
        watch = probes.Watch(model, every=1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            with watch.step():
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x), t).backward()
                optimizer.step()
        return watch.ledger()


def tensors(result) -> list[torch.Tensor]:
    """All tensors of a result, detached."""
    if is_dataclass(result):
        return tensors(vars(result))
    if isinstance(result, torch.Tensor):
        return [result.detach()]
    if isinstance(result, dict):
        return tensors(result.values())
    parts = result if isinstance(result, Iterable) else ()
    return [tensor for part in parts for tensor in tensors(part)]
