"""derivative="native" is torch's own operator, rounding included."""

import pytest
import torch
from tests.activations.rooms import every_case, with_rule

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


@every_case
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_native_is_torchs_operator_bit_for_bit(sigma, dtype) -> None:
    """Values, gradients and gradients of gradients are torch's, by every door."""
    native = with_rule(sigma, "native")
    z = torch.linspace(-30, 30, 601, dtype=torch.float64).to(dtype).requires_grad_()
    value = sigma.operator(z)
    (slope,) = torch.autograd.grad(value.sum(), z)
    # torch's SiLU rounds its backward otherwise when a graph of it is asked for
    (graph,) = torch.autograd.grad(sigma.operator(z).sum(), z, create_graph=True)
    (bend,) = torch.autograd.grad(graph.sum(), z) if graph.requires_grad else (torch.zeros_like(z),)
    (found,) = torch.autograd.grad(native(z).sum(), z)
    leaf = z.detach()
    a, derivative = torch.empty_like(leaf), torch.empty_like(leaf)
    native.evaluate(leaf, a, derivative)
    pairs = [(native(z), value), (native.value(leaf), value), (a, value), (found, slope)]
    pairs += [(derivative, slope), (native.derivative(leaf), graph)]
    pairs += [(native.second_derivative(leaf), bend)]
    for ours, theirs in pairs:
        assert torch.equal(ours, theirs)


@every_case
def test_the_two_rules_agree_where_torch_is_right(sigma) -> None:
    """In float64 near the middle, exact and native differ by roundings only."""
    native = with_rule(sigma, "native")
    z = torch.linspace(-3, 3, 401, dtype=torch.float64)
    torch.testing.assert_close(sigma.value(z), native.value(z), rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(sigma.derivative(z), native.derivative(z), rtol=1e-12, atol=1e-14)
