"""The delta recursion against autograd, and against NumPy written from the notes."""

import numpy as np
import pytest
import torch
from tests.backprop.networks import arrays, close, mixed, names
from tests.oracles import backprop as oracle

from experiments.activations import Sigmoid, Tanh
from experiments.backprop import backpropagate, forward_pass
from experiments.initializers import Glorot
from experiments.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    MeanSquaredError,
)
from experiments.models import MLP

F64 = torch.float64
TORCH = {
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "ReLU": torch.relu,
    "ELU": torch.nn.functional.elu,
    "Identity": lambda z: z,
}


def by_autograd(net, x, t):
    """C and its gradients through torch's own operators, C = mean of 1/2 sum (a - t)^2."""
    W = [w.detach().requires_grad_() for w in net.weights]
    b = [v.detach().requires_grad_() for v in net.biases]
    a, z = x, []
    for w, v, sigma in zip(W, b, net.activations, strict=True):
        z.append(a @ w.mT + v.unsqueeze(-2))
        a = TORCH[type(sigma).__name__](z[-1])
    cost = (0.5 * (a - t).square().sum(-1)).mean(-1)
    found = torch.autograd.grad(cost.sum(), [*z, *W, *b])
    n = len(W)
    return cost.detach(), found[:n], found[n : 2 * n], found[2 * n :]


@pytest.mark.parametrize("depth", [0, 1, 2, 3, 5, 8, 13, 20, 35, 50])
@pytest.mark.parametrize("output", [None, Sigmoid()])
def test_gradients_are_autograds(depth, output):
    """Within 1e-12 of autograd in float64, with mixed activations and widths, depth 0 to 50."""
    net = mixed(depth, output=output, seed=depth)
    x, t = torch.randn(6, 4, dtype=F64), torch.randn(6, 3, dtype=F64)
    found = backpropagate(net, x, t, HalfSquaredError())
    loss, deltas, dW, db = by_autograd(net, x, t)
    assert torch.allclose(found.loss, loss, rtol=1e-13)
    assert close(found.deltas, deltas)
    assert close(found.weight_gradients, dW)
    assert close(found.bias_gradients, db)


def test_gradients_are_the_notes_formulas():
    """Equal to plain NumPy, one example a column, one loop over examples (note 003)."""
    net = mixed(4, output=Tanh())
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    found = backpropagate(net, x, t, HalfSquaredError())
    cost, dW, db, deltas = oracle.gradients(
        arrays(net.weights), arrays(net.biases), names(net), x.numpy(), t.numpy()
    )
    assert float(found.loss) == pytest.approx(cost, rel=1e-13)
    for ours, theirs in zip(
        [*found.weight_gradients, *found.bias_gradients, *found.deltas],
        [*dW, *db, *deltas],
        strict=True,
    ):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(
    ("loss", "t"),
    [
        (CrossEntropy(), torch.tensor([0, 2, 1, 1, 2])),
        (MeanSquaredError(), torch.randn(5, 3, dtype=F64)),
        (HalfSquaredError(link="softmax"), torch.tensor([0, 2, 1, 1, 2])),
        (BinaryCrossEntropy(), torch.rand(5, 3, dtype=F64)),
    ],
    ids=["cross_entropy", "mean_squared_error", "half_squared_error_softmax", "binary"],
)
def test_every_loss_brings_its_own_delta(loss, t):
    """With any loss and link, the gradients of the mean cost are autograd's."""
    net = mixed(3)
    x = torch.randn(5, 4, dtype=F64)
    found = backpropagate(net, x, t, loss)
    cost = loss(net(x), t)
    expected = torch.autograd.grad(cost, [*net.weights, *net.biases])
    assert torch.allclose(found.loss, cost.detach())
    assert close([*found.weight_gradients, *found.bias_gradients], expected)


@pytest.mark.parametrize("shared", [True, False])
def test_a_stack_is_its_runs_alone(shared):
    """Run r of a stack has the gradients of the network with run r's parameters."""
    stack = mixed(3, runs=3)
    x = torch.randn(5, 4, dtype=F64) if shared else torch.randn(3, 5, 4, dtype=F64)
    t = torch.randn(5, 3, dtype=F64) if shared else torch.randn(3, 5, 3, dtype=F64)
    found = backpropagate(stack, x, t, HalfSquaredError(), activation_gradients=True)
    assert found.loss.shape == (3,)
    for r in range(3):
        alone = mixed(3, seed=r)
        its_x, its_t = (x, t) if shared else (x[r], t[r])
        its = backpropagate(alone, its_x, its_t, HalfSquaredError(), activation_gradients=True)
        for name in ("deltas", "weight_gradients", "bias_gradients", "activation_gradients"):
            ours = [tensor[r] for tensor in getattr(found, name)]
            assert close(ours, getattr(its, name), 1e-13)


def test_activation_gradients_go_down_to_the_input():
    """dC/da^[l-1] of every layer, the first of which is dC/dx."""
    net = mixed(3)
    x = torch.randn(5, 4, dtype=F64)
    t = torch.randn(5, 3, dtype=F64)
    below = backpropagate(
        net, x, t, HalfSquaredError(), activation_gradients=True
    ).activation_gradients
    leaf = x.clone().requires_grad_()
    a, values = leaf, [leaf]
    for layer in net.dense_layers:
        a = layer(a)
        values.append(a)
    expected = torch.autograd.grad(HalfSquaredError()(a, t), values[:-1])
    assert close(below, expected)
    assert backpropagate(net, x, t, HalfSquaredError()).activation_gradients is None


def test_delta_is_linear_in_the_cost():
    """Twice the distance to the target is twice every gradient: the recursion is linear in delta."""
    net = MLP((2, 5, 2), Tanh(), Glorot(), seed=0).double()
    x = torch.randn(4, 2, dtype=F64)
    a = forward_pass(net, x).a[-1]
    once, twice = (
        backpropagate(net, x, a + s, HalfSquaredError()).weight_gradients for s in (1.0, 2.0)
    )
    assert close(twice, [2 * g for g in once])


def test_nothing_carries_a_graph():
    """Results are plain tensors, with parameters and an input that ask for gradients."""
    net = mixed(2)
    x = torch.randn(5, 4, dtype=F64, requires_grad=True)
    passed = forward_pass(net, x)
    found = backpropagate(net, x, torch.zeros(5, 3, dtype=F64), HalfSquaredError())
    everything = [*passed.z, *passed.a, found.loss, *found.deltas, *found.weight_gradients]
    assert not any(tensor.requires_grad for tensor in everything)
    assert all(p.grad is None for p in net.parameters())


def test_forward_pass_stores_z_and_a():
    """z and a are the recursion's, and the last a is the network's output."""
    net = mixed(4, runs=2)
    x = torch.randn(5, 4, dtype=F64)
    passed = forward_pass(net, x)
    assert torch.allclose(passed.a[-1], net(x).detach(), rtol=1e-13)
    a = x.expand(2, 5, 4)
    for k, sigma in enumerate(net.activations):
        z = torch.einsum("rji,rbi->rbj", net.weights[k], a) + net.biases[k].unsqueeze(1)
        assert torch.allclose(passed.z[k], z.detach(), rtol=1e-12)
        a = passed.a[k]
        assert torch.equal(a, sigma.value(passed.z[k]))


def test_float32_and_half_precision_run():
    """The network's own float type is used throughout."""
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.1)):
        net = mixed(2).to(dtype)
        x = torch.randn(5, 4, dtype=dtype)
        found = backpropagate(net, x, torch.zeros(5, 3, dtype=dtype), HalfSquaredError())
        exact = backpropagate(
            net.double(), x.double(), torch.zeros(5, 3, dtype=F64), HalfSquaredError()
        )
        assert found.deltas[0].dtype == dtype
        assert close([d.double() for d in found.deltas], exact.deltas, tolerance)
