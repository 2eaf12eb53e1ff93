"""One example passed through a small network, number by number, in the order of the notes."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from experiments.activations import Sigmoid
from experiments.backprop.checks import require_loss, require_shape
from experiments.backprop.cost import multiply_adds
from experiments.backprop.recursion import backpropagate
from experiments.backprop.scalar_network import ScalarNetwork
from experiments.backprop.sensitivity import InputGradientTrace, input_gradient
from experiments.backprop.tracing import forward_jacobian, reverse_jacobian, trace_table
from experiments.core.activation import Activation
from experiments.core.errors import describe
from experiments.core.loss import Loss
from experiments.initializers import Glorot
from experiments.models import MLP


def tutorial_network(activation: Activation | None = None) -> MLP:
    """The 2-2-3-1 network of the tutorial, float64, the same activation in every layer.

    W^[l]_jk = cos(3j + k + 2l), b^[l]_j = sin(j + 2l) / 2, with j, k from 1 and l = 2 .. 4, so that the
    numbers need not be stored. At x = (0.1, 0.5) the output with sigmoids is 0.792566411906.
    """
    sigma = activation or Sigmoid()
    net = MLP((2, 2, 3, 1), sigma, Glorot(), output_activation=sigma, seed=0).double()
    with torch.no_grad():
        for number, (W, b) in enumerate(zip(net.weights, net.biases, strict=True), start=2):
            for j in range(len(b)):
                b[j] = math.sin(j + 1 + 2 * number) / 2
                for k in range(W.shape[1]):
                    W[j, k] = math.cos(3 * (j + 1) + k + 1 + 2 * number)
    return net


def walkthrough(net: MLP, x: Tensor, t: Tensor, loss: Loss, lr: float = 0.5) -> Iterator[str]:
    """Lines of text: forward pass, backward pass, update and input gradient of one example.

    Args:
        net: one network with one output.
        x: (1, n_1).
        t: its target.
        loss: any loss.
        lr: learning rate of the update that is shown; the network itself is not changed.

    Raises:
        ValueError: for a stack, several outputs, or more than one example.
    """
    require_shape(net, x)
    require_loss(loss)
    if net.runs is not None:
        found = f"a stack of runs={net.runs} networks"
        raise ValueError(describe(found, "one network", "build the MLP with runs=None"))
    if len(x) != 1:
        remedy = "take one row, for instance x[:1]"
        raise ValueError(describe(f"{len(x)} examples", "one example", remedy))
    traced = input_gradient(net, x, trace=True)
    gradients = backpropagate(net, x, t, loss)
    sigmas = [type(sigma).__name__.lower() for sigma in net.activations]
    yield f"Network {'-'.join(map(str, net.widths))}, x = {_row(x)}, t = {_row(t)}"
    yield from _forward(traced, sigmas)
    yield f"\nCost  C = {float(gradients.loss):.9f}"
    slope = loss.delta(traced.a[len(net.widths)], t)[0].tolist()
    yield from _backward(net, traced, gradients.deltas, slope)
    yield "\nUpdate  W <- W - eta dC/dW,  b <- b - eta dC/db"
    dW, db = gradients.weight_gradients, gradients.bias_gradients
    for k, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        yield f"  W^[{k + 2}] becomes {_matrix(W.detach() - lr * dW[k])}"
        yield f"  b^[{k + 2}] becomes {_row(b.detach() - lr * db[k])}   (eta = {lr:g})"
    yield from _input_gradient(net, x, traced)
    yield from _automatic(net, x)


def _forward(traced: InputGradientTrace, sigmas: list[str]) -> Iterator[str]:
    yield "\nForward pass  z^[l] = W^[l] a^[l-1] + b^[l],  a^[l] = sigma(z^[l])"
    for number, W in traced.W.items():
        below = traced.a[number - 1][0].tolist()
        for j, (row, b) in enumerate(zip(W.tolist(), traced.b[number].tolist(), strict=True)):
            z, a = float(traced.z[number][0, j]), float(traced.a[number][0, j])
            terms = " ".join(f"{w:+.4f}*{v:.4f}" for w, v in zip(row, below, strict=True))
            yield f"  z_{j + 1}^[{number}] = {terms} {b:+.4f} = {z:+.6f}"
            yield f"  a_{j + 1}^[{number}] = {sigmas[number - 2]}({z:+.6f}) = {a:.6f}"


def _backward(
    net: MLP, traced: InputGradientTrace, deltas: list[Tensor], slope: list[float]
) -> Iterator[str]:
    yield "\nBackward pass  delta^[L] = D^[L] dC/da^[L],  delta^[l] = D^[l] W^[l+1]^T delta^[l+1]"
    for k in range(len(deltas) - 1, -1, -1):
        number, delta = k + 2, deltas[k][0].tolist()
        for j, value in enumerate(delta):
            D = float(traced.D[number][0, j])
            if k == len(deltas) - 1:
                grad_a = f"dC/da ({slope[j]:+.6f})"
            else:
                column = net.weights[k + 1][:, j].tolist()
                delta_next = deltas[k + 1][0].tolist()
                products = (f"{w:+.4f}*{d:+.6f}" for w, d in zip(column, delta_next, strict=True))
                grad_a = f"({' '.join(products)})"
            yield f"  delta_{j + 1}^[{number}] = {D:.6f} * {grad_a} = {value:+.9f}"
        a_prev = traced.a[number - 1]
        yield f"  dC/dW^[{number}] = delta a^T = {_matrix(deltas[k].mT @ a_prev)}"
        yield f"  dC/db^[{number}] = delta     = {_row(deltas[k])}"


def _input_gradient(net: MLP, x: Tensor, traced: InputGradientTrace) -> Iterator[str]:
    cost = multiply_adds(net.widths)
    yield "\nInput gradient, note 001: Delta^[L] = 1, Delta^[l-1] = W^[l]^T D^[l] Delta^[l]"
    for number, Delta in traced.Delta.items():
        yield f"  Delta^[{number}] = {_row(Delta)}"
    yield "Input gradient, note 000: G = D^[L] W^[L], G <- G (D^[l] W^[l])"
    for number, G in input_gradient(net, x, order="row", trace=True).G.items():
        yield f"  after l = {number}: G = {_row(G)}"
    yield (
        f"  multiply-adds: {cost.reverse} (001), {cost.row} (000), {cost.forward_mode} (forward"
        f" mode), {cost.finite_differences} (differences)"
    )


def _automatic(net: MLP, x: Tensor) -> Iterator[str]:
    program, point = ScalarNetwork(net), x[0].tolist()
    forward, reverse = forward_jacobian(program, point), reverse_jacobian(program, point)
    yield "\nThe same by automatic differentiation; every line is one operation"
    yield str(trace_table(program, point))
    yield f"forward mode: {forward.passes} passes, {_numbers(forward.rows[0])}"
    yield f"reverse mode: {reverse.passes} pass, {_numbers(reverse.rows[0])}"


def _row(values: Tensor) -> str:
    return _numbers(values.flatten().tolist())


def _numbers(values: list[float] | tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.9g}" for value in values) + ")"


def _matrix(values: Tensor) -> str:
    return "[" + "; ".join(_row(row) for row in values) + "]"
