"""The Jacobian by parameters against torch's reverse mode, which shares no code with it."""

import pytest
import torch

from experiments.activations import ELU, Identity, Sigmoid, Tanh
from experiments.backprop import parameter_jacobian
from experiments.initializers import Normal
from experiments.models import MLP


@pytest.mark.parametrize(
    ("widths", "output"), [((2, 2, 3, 2), Sigmoid()), ((3, 1), Identity()), ((1, 4, 4, 5), Tanh())]
)
def test_it_is_autograds(widths: tuple[int, ...], output) -> None:
    """Every entry, with other activations in the hidden layers, to 1e-12 in float64."""
    hidden = [Tanh(), ELU()][: len(widths) - 2]
    net = MLP(widths, hidden, Normal(0.8), output_activation=output, seed=3).double()
    x = torch.linspace(-1, 2, 4 * widths[0], dtype=torch.float64).view(4, -1)
    theta = {name: p.detach() for name, p in net.named_parameters()}

    def outputs(values):
        return torch.func.functional_call(net, values, (x,))

    found = torch.autograd.functional.jacobian(
        lambda *values: outputs(dict(zip(theta, values, strict=True))), tuple(theta.values())
    )
    in_order = [
        found[list(theta).index(f"layers.{k}.{leaf}")].flatten(2)
        for k in range(len(widths) - 1)
        for leaf in ("weight", "bias")
    ]
    expected = torch.cat(in_order, dim=-1)
    torch.testing.assert_close(parameter_jacobian(net, x), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("runs", [2, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_a_stack_is_its_runs_alone(runs: int, shared: bool) -> None:
    """Run r has torch's Jacobian of the network with run r's parameters; R = batch mixes nothing."""
    stack = MLP((2, 3, 3, 2), [Tanh(), ELU()], Normal(0.8), runs=runs, seed=3).double()
    x = torch.randn(*(() if shared else (runs,)), 2, 2, dtype=torch.float64)
    found = parameter_jacobian(stack, x)
    assert found.shape == (runs, 2, 2, 29)
    for r in range(runs):

        def outputs(*values, rows=x if shared else x[r]):
            a = rows
            for k, (W, b) in enumerate(zip(values[::2], values[1::2], strict=True)):
                z = a @ W.T + b
                a = (torch.tanh, torch.nn.functional.elu, torch.clone)[k](z)
            return a

        pairs = zip(stack.weights, stack.biases, strict=True)
        theta = tuple(p[r].detach() for pair in pairs for p in pair)
        expected = torch.autograd.functional.jacobian(outputs, theta)
        expected = torch.cat([part.flatten(2) for part in expected], dim=-1)
        torch.testing.assert_close(found[r], expected, rtol=1e-12, atol=1e-14)


def test_weighted_by_the_costs_slope_it_is_the_gradient() -> None:
    """J^T (a - t), summed over examples, is the gradient of 1/2 sum ||a - t||^2."""
    net = MLP((2, 3, 2), Sigmoid(), Normal(0.8), output_activation=Sigmoid(), seed=1).double()
    x = torch.tensor([[0.1, 0.4], [0.7, -0.2], [0.0, 1.0]], dtype=torch.float64)
    t = torch.eye(3, 2, dtype=torch.float64)
    J = parameter_jacobian(net, x)
    (0.5 * (net(x) - t).square().sum()).backward()
    expected = torch.cat([p.grad.flatten() for p in net.parameters()])
    found = torch.einsum("bip,bi->p", J, (net(x) - t).detach())
    order = [name for name, _ in net.named_parameters()]
    pieces = dict(zip(order, expected.split([p.numel() for p in net.parameters()]), strict=True))
    wanted = [pieces[f"layers.{k}.{leaf}"] for k in range(2) for leaf in ("weight", "bias")]
    torch.testing.assert_close(found, torch.cat(wanted), rtol=1e-12, atol=1e-14)
