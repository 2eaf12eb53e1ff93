"""The input gradient of notes 000 and 001, its trace, its cost and the agreement of four ways."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backprop.networks import arrays, mixed, names
from tests.oracles import backprop as oracle

from experiments.activations import ELU, Identity, ReLU, Sigmoid, Tanh
from experiments.backprop import (
    forward_pass,
    forward_products,
    gradient_agreement,
    input_gradient,
    input_jacobian,
    multiply_adds,
    partial_products,
    tutorial_network,
)
from experiments.core.errors import ConfigurationError
from experiments.initializers import Gaussian, Orthogonal
from experiments.models import MLP

F64 = torch.float64
#: by mpmath with 30 digits: W_jk = cos(3j+k+2l), b_j = sin(j+2l)/2, x = (.1, .5), 2-2-3-1
GOLDEN = [
    (Sigmoid, 0.792566411906, (0.000169416192, 0.001650021065)),
    (ReLU, 0.985824201033, (0.000399159552, 0.076108304059)),
    (Tanh, 0.663449040723, (-0.015182996291, -0.051396998920)),
    (ELU, 0.995591490916, (0.002316609191, 0.085810732631)),
]


@pytest.mark.parametrize(("room", "output", "gradient"), GOLDEN)
@pytest.mark.parametrize("order", ["reverse", "row"])
def test_golden_network(room, output, gradient, order):
    """The 2-2-3-1 network has the known output and input gradient, in both orders."""
    net = tutorial_network(room())
    x = torch.tensor([[0.1, 0.5]], dtype=F64)
    assert float(forward_pass(net, x).a[-1]) == pytest.approx(output, abs=1e-11)
    found = input_gradient(net, x, order=order)
    assert found.shape == (1, 2)
    assert found[0].tolist() == pytest.approx(gradient, abs=1e-11)


@pytest.mark.parametrize("depth", [0, 1, 4, 20])
@pytest.mark.parametrize("order", ["reverse", "row"])
def test_input_gradient_is_the_product_of_matrices(depth, order):
    """grad a^[L](x) = D^L W^L ... D^2 W^2, multiplied as matrices, example by example."""
    net = mixed(depth, n_out=1, output=Tanh(), seed=3)
    x = torch.randn(5, 4, dtype=F64)
    found = input_gradient(net, x, order=order)
    for example, gradient in zip(x, found, strict=True):
        product = oracle.jacobian(
            arrays(net.weights), arrays(net.biases), names(net), example.numpy()
        )
        np.testing.assert_allclose(gradient.numpy(), product[0], rtol=1e-10)


@pytest.mark.parametrize("order", ["reverse", "row"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_stack_gives_every_runs_gradient(order, shared):
    """With runs (R, batch, n_1), and run r is the network of run r alone."""
    stack = mixed(3, n_out=1, runs=3)
    x = torch.randn(5, 4, dtype=F64) if shared else torch.randn(3, 5, 4, dtype=F64)
    found = input_gradient(stack, x, order=order)
    assert found.shape == (3, 5, 4)
    for r in range(3):
        alone = input_gradient(mixed(3, n_out=1, seed=r), x if shared else x[r])
        assert torch.allclose(found[r], alone, rtol=1e-12)


def test_the_row_form_goes_through_a_few_examples_at_a_time(monkeypatch):
    """The matrices D W of many examples never lie in memory together; the numbers do not change."""
    net, x = mixed(3, n_out=1), torch.randn(50, 4, dtype=F64)
    expected = input_gradient(net, x, order="row")
    monkeypatch.setattr("experiments.backprop.sensitivity.LARGEST_PRODUCT", 100)
    assert torch.allclose(input_gradient(net, x, order="row"), expected, rtol=1e-14)


def test_trace_has_the_notes_names():
    """trace=True returns W, b, z, a, D and Delta or G, by the notes' layer numbers."""
    net = mixed(2, n_out=1)
    x = torch.randn(5, 4, dtype=F64)
    column = input_gradient(net, x, trace=True)
    row = input_gradient(net, x, order="row", trace=True)
    assert list(column.z) == list(column.D) == list(column.W) == list(column.b) == [2, 3, 4]
    assert list(column.a) == [1, 2, 3, 4]
    assert list(column.Delta) == [4, 3, 2, 1]
    assert list(row.G) == [4, 3, 2]
    assert not column.G
    assert not row.Delta
    assert torch.equal(column.a[1], x)
    assert torch.equal(column.Delta[4], torch.ones(5, 1, dtype=F64))
    assert torch.equal(column.Delta[1], column.gradient)
    for number in (2, 3, 4):
        z = column.a[number - 1] @ column.W[number].mT + column.b[number]
        assert torch.allclose(column.z[number], z)
        D = net.activations[number - 2].derivative(column.z[number])
        assert torch.allclose(column.D[number], D, rtol=1e-14)
        below = (column.W[number].mT @ (column.D[number] * column.Delta[number]).mT).mT
        assert torch.allclose(column.Delta[number - 1], below)
        assert torch.allclose(row.G[number].squeeze(-2), below)


@pytest.mark.parametrize("runs", [None, 2])
def test_jacobian_in_both_modes_is_autograds(runs):
    """n_L rows in reverse mode and n_1 columns in forward mode: both are torch's Jacobian."""
    net = mixed(4, runs=runs, output=Sigmoid())
    x = torch.randn(5, 4, dtype=F64)
    reverse, forward = input_jacobian(net, x), forward_products(net, x)
    lead = () if runs is None else (runs,)
    assert reverse.shape == (*lead, 5, 3, 4)
    if runs is None:
        whole = torch.autograd.functional.jacobian(net, x)
        expected = torch.stack([whole[d, :, d] for d in range(5)])
        assert torch.allclose(reverse, expected, rtol=1e-11)
    for r in range(runs or 0):
        alone = mixed(4, seed=r, output=Sigmoid())
        assert torch.allclose(reverse[r], input_jacobian(alone, x), rtol=1e-12)
    assert torch.allclose(forward[-1], reverse, rtol=1e-11)
    assert [tuple(p.shape[-2:]) for p in forward] == [(n, 4) for n in net.widths[1:]]


def test_singular_values_of_partial_products():
    """log10 singular values are those of the multiplied matrices, where these are floats."""
    net = mixed(3)
    x = torch.randn(5, 4, dtype=F64)
    for product, J in zip(partial_products(net, x), forward_products(net, x), strict=True):
        expected = torch.linalg.svdvals(J)
        shown = product.log10_singular_values
        assert torch.allclose(10**shown, expected, rtol=1e-10, atol=1e-14)
        condition = (expected[..., 0] / expected[..., -1]).log10()
        kept = product.resolved.all(-1)
        assert torch.allclose(product.log10_condition[kept], condition[kept], rtol=1e-6)


@pytest.mark.usefixtures("float64")
def test_partial_products_beyond_the_floats():
    """W = 1e10 times orthogonal, 81 layers: every singular value is 10^(10 l), and the condition 1."""
    net = MLP((6,) * 82, Identity(), Orthogonal(gain=1e10), seed=0)
    last = partial_products(net, torch.ones(1, 6, dtype=F64))[-1]
    assert last.layer == 82
    assert torch.allclose(last.log10_singular_values, torch.full((1, 6), 810.0))
    assert float(last.log10_condition) < 1e-9
    assert last.resolved.all()


def test_a_float32_network_is_measured_in_float64():
    """sigma'(-120) = e^-120 is below float32: it is the singular value nevertheless."""
    net = MLP((1, 1, 1), Sigmoid(), Gaussian(1.0, 0.0), seed=0)
    with torch.no_grad():
        net.weights[0].fill_(-120.0)
        net.weights[1].fill_(1.0)
    found = partial_products(net, torch.ones(1, 1))[-1].log10_singular_values
    assert float(found) == pytest.approx(np.log10(120) - 120 / np.log(10), abs=1e-9)


def test_products_that_are_zero_or_not_finite_are_outcomes():
    """A dead layer: values of 0 and an infinite condition. A weight of NaN: NaN, in its own run."""
    net = MLP((3, 4, 2), ReLU(), Gaussian(1.0, 0.0), runs=2, seed=0).double()
    with torch.no_grad():
        net.biases[0][0].fill_(-1e3)
        net.weights[0][1, 0, 0] = torch.nan
    last = partial_products(net, torch.ones(1, 3, dtype=F64))[-1]
    assert torch.equal(last.log10_singular_values[0], torch.full((1, 2), -torch.inf, dtype=F64))
    assert float(last.log10_condition[0]) == torch.inf
    assert last.log10_singular_values[1].isnan().all()
    assert not last.resolved.any()


def test_unresolved_singular_values_are_marked():
    """A deep random product spreads beyond float64: the small ones are marked as noise."""
    net = MLP((8,) * 100, Tanh(), Gaussian(1.0, 0.1), seed=0).double()
    last = partial_products(net, torch.randn(2, 8, dtype=F64))[-1]
    assert last.resolved[:, 0].all()
    assert not last.resolved[:, -1].any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=6))
def test_multiply_adds_are_what_the_algorithms_do(widths):
    """The formulas give the multiplications that counting numbers make."""
    found = multiply_adds(widths)
    for way in ("reverse", "row", "forward mode", "finite differences"):
        formula = getattr(found, way.replace(" ", "_"))
        assert formula == oracle.multiplications(widths, way)


def test_widths_may_be_an_array():
    """As an MLP takes them; products beyond the array's own integers are counted all the same."""
    assert multiply_adds(np.array([100, 100, 1])) == multiply_adds((100, 100, 1))
    many = multiply_adds(np.array([60_000, 60_000, 1], dtype=np.int32))
    assert many.forward_pass == 60_000 * 60_001


@pytest.mark.parametrize("widths", [(3,), (), (3, 0, 1), (2, -1)])
def test_impossible_widths_have_no_cost(widths):
    """Fewer than two widths, or one below 1, is refused by name."""
    with pytest.raises(ConfigurationError, match="found widths="):
        multiply_adds(widths)


@pytest.mark.parametrize(("layers", "dtype"), [(40, torch.float32), (300, F64)])
def test_a_difference_is_seen_where_gradients_vanish(layers, dtype):
    """A deep sigmoid's difference quotient is 0 or noise, and its squares underflow: NumPy agrees."""
    net = MLP((4, *([8] * layers), 1), Sigmoid(), Gaussian(1.0, 0.3), seed=0).to(dtype)
    x = torch.ones(1, 4, dtype=dtype)
    ways = {way.name: way.difference for way in gradient_agreement(net, x)}
    product, a = np.eye(4, dtype=np.longdouble), x[0].numpy().astype(np.longdouble)
    for k, (W, b) in enumerate(zip(arrays(net.weights), arrays(net.biases), strict=True)):
        z = W @ a + b
        a = z if k == layers else 1 / (1 + np.exp(-z))
        product = (W if k == layers else (a * (1 - a))[:, None] * W) @ product
    h = np.longdouble(torch.finfo(dtype).eps) ** (1 / np.longdouble(3))
    assert np.abs(product).max() * h < torch.finfo(dtype).eps * abs(a[0]) / 8  # a never moves
    assert ways["row"] < layers * torch.finfo(dtype).eps
    assert ways["forward mode"] < layers * torch.finfo(dtype).eps
    assert ways["finite differences"] == 1


def test_a_difference_is_relative_to_the_gradient():
    """A gradient of 5e-200, whose square is no float, is compared; where all are 0, all agree."""
    net = MLP((2, 1), Identity(), Gaussian(1.0, 0.0), seed=0).double()
    with torch.no_grad():
        net.weights[0].copy_(torch.tensor([[3e-200, 4e-200]]))
        net.biases[0].zero_()
    x = torch.ones(1, 2, dtype=F64)
    exact = {way.name: way.difference for way in gradient_agreement(net, x)}
    assert exact["finite differences"] < 1e-9
    net.weights[0].data.zero_()
    zero = {way.name: way.difference for way in gradient_agreement(net, x)}
    assert set(zero.values()) == {0.0}


def test_four_ways_agree():
    """Reverse, row and forward mode agree to rounding, central differences to eps^(2/3)."""
    net = MLP((5, 20, 20, 1), [Tanh(), Sigmoid()], Gaussian(1.5, 0.1), runs=2, seed=0).double()
    ways = {way.name: way for way in gradient_agreement(net, torch.randn(7, 5, dtype=F64))}
    cost = multiply_adds(net.widths)
    assert ways["reverse"].difference == 0
    assert ways["row"].difference < 1e-13
    assert ways["forward mode"].difference < 1e-13
    assert 1e-14 < ways["finite differences"].difference < 1e-7
    assert ways["row"].multiply_adds == cost.row
    assert ways["finite differences"].multiply_adds == cost.finite_differences
