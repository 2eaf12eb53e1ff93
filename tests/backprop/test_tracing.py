"""Dual numbers and the tape against torch.func, closed forms and published values."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backprop.networks import mixed

from experiments.activations import Sigmoid, Tanh
from experiments.backprop import (
    Dual,
    ScalarNetwork,
    Tape,
    backpropagate,
    forward_derivative,
    forward_jacobian,
    input_jacobian,
    reverse_jacobian,
    trace_table,
)
from experiments.backprop.elementary import cos, exp, log, sin, sqrt
from experiments.initializers import Glorot
from experiments.losses import HalfSquaredError
from experiments.models import MLP

F64 = torch.float64


def first(x):
    """Note 003: f = exp(x^2)."""
    return exp(x**2)


def second(x):
    """Note 003: f = sqrt(x^2 + exp(x^2)), with a = x^2 computed once."""
    a = x**2
    return sqrt(a + exp(a))


def textbook(x):
    """Deisenroth et al., section 5.6: the second with cos(x^2 + exp(x^2)) added."""
    a = x**2
    c = a + exp(a)
    return sqrt(c) + cos(c)


PUBLISHED = [
    (first, 1.0, math.e, 2 * math.e),
    (second, 1.0, math.sqrt(1 + math.e), math.sqrt(1 + math.e)),
    (second, 1.0, 1.92828468553247, 1.92828468553247),
    (textbook, 1.0, 1.09001221197474, 5.98308259590870),
]


@pytest.mark.parametrize(("program", "x", "value", "slope"), PUBLISHED)
def test_published_values(program, x, value, slope):
    """Both modes give the published value and derivative to 1e-13."""
    assert forward_derivative(program, [x], [1.0]) == pytest.approx((value, slope), rel=1e-13)
    assert forward_jacobian(program, [x]).rows[0] == pytest.approx([slope], rel=1e-13)
    assert reverse_jacobian(program, [x]).rows[0] == pytest.approx([slope], rel=1e-13)


def test_trace_table_of_the_second_program():
    """Every line of f = sqrt(x^2 + exp(x^2)) at x = 1, with tangents and adjoints worked by hand."""
    e = math.e
    root = math.sqrt(1 + e)
    rows = trace_table(second, [1.0]).rows
    assert [row.written for row in rows] == [
        "input",
        "v_0^2",
        "exp(v_1)",
        "v_1 + v_2",
        "sqrt(v_3)",
    ]
    assert [row.value for row in rows] == pytest.approx([1, 1, e, 1 + e, root])
    assert [row.tangent for row in rows] == pytest.approx([1, 2, 2 * e, 2 + 2 * e, root])
    half = 1 / (2 * root)
    assert [row.adjoint for row in rows] == pytest.approx([root, (1 + e) * half, half, half, 1])


def test_trace_table_prints():
    """The table is text with aligned columns."""
    assert str(trace_table(lambda x, y: x * y, [2.0, 5.0])).splitlines() == [
        "v_i  computed as  value  tangent  adjoint",
        "---  -----------  -----  -------  -------",
        "v_0  input        2      1        5",
        "v_1  input        5      0        2",
        "v_2  v_0 * v_1    10     5        1",
    ]


def vector_program(x, y, z):
    """Three numbers to two, with every operation there is."""
    u = sin(x * y) - cos(z) / (1.0 + y**2) + 2 - x
    return u * exp(-z) + 1 / (3 + z), sqrt(2.0 + u * u) ** 1.5 - log(4.0 + x * x) * 2**y


def torch_program(v):
    """The same for torch."""
    x, y, z = v
    u = torch.sin(x * y) - torch.cos(z) / (1.0 + y**2) + 2 - x
    lower = torch.sqrt(2.0 + u * u) ** 1.5 - torch.log(4.0 + x * x) * 2**y
    return torch.stack([u * torch.exp(-z) + 1 / (3 + z), lower])


@given(st.tuples(*[st.floats(-2, 2)] * 3), st.tuples(*[st.floats(-2, 2)] * 3))
@settings(max_examples=12, deadline=None)
def test_both_modes_are_torchs(x, direction):
    """Directional derivatives equal torch.func.jvp and adjoints torch.func.vjp, to rounding."""
    point, along = torch.tensor(x, dtype=F64), torch.tensor(direction, dtype=F64)
    values, pushed = torch.func.jvp(torch_program, (point,), (along,))
    _, pull = torch.func.vjp(torch_program, point)
    for i in range(2):
        found = forward_derivative(lambda *v, i=i: vector_program(*v)[i], x, direction)
        expected = (float(values[i]), float(pushed[i]))
        assert found == pytest.approx(expected, rel=1e-11, abs=1e-12)
        row = pull(torch.eye(2, dtype=F64)[i])[0].tolist()
        assert reverse_jacobian(vector_program, x).rows[i] == pytest.approx(
            row, rel=1e-11, abs=1e-12
        )


@given(st.tuples(*[st.floats(-2, 2)] * 3))
@settings(max_examples=12, deadline=None)
def test_passes_are_inputs_forward_and_outputs_reverse(x):
    """n = 3 forward passes or m = 2 reverse passes give the same Jacobian."""
    forward, reverse = forward_jacobian(vector_program, x), reverse_jacobian(vector_program, x)
    assert (forward.passes, reverse.passes) == (3, 2)
    for ours, theirs in zip(forward.rows, reverse.rows, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-13)


def test_a_network_as_a_program():
    """A small network's Jacobian by the tape and by dual numbers is the recursion's."""
    net = mixed(2, width=3)
    x = torch.tensor([[0.3, -0.2, 0.8, 1.1]], dtype=F64)
    expected = input_jacobian(net, x)[0]
    program = ScalarNetwork(net)
    for found in (
        forward_jacobian(program, x[0].tolist()),
        reverse_jacobian(program, x[0].tolist()),
    ):
        assert torch.allclose(torch.tensor(found.rows, dtype=F64), expected, rtol=1e-12)
    plain = torch.tensor([program(*x[0].tolist())], dtype=F64)
    assert torch.allclose(plain, net(x).detach(), rtol=1e-13)


@pytest.mark.parametrize("other", [{"skip": True}, {"normalize": True}])
def test_a_program_is_of_plain_layers(other):
    """What the notes' layers do not describe is refused: the program would compute another net."""
    net = MLP((2, 2, 2, 1), Sigmoid(), Glorot(), seed=0, **other).double()
    with pytest.raises(ValueError, match="found an MLP with skip="):
        ScalarNetwork(net)


def test_a_program_has_derivatives():
    """A module that is no Activation is refused by name."""
    net = MLP((2, 2, 1), Sigmoid(), Glorot(), seed=0).double()
    net.dense_layers[0].activation = torch.nn.Tanh()
    with pytest.raises(ValueError, match="found Tanh, an activation without a derivative"):
        ScalarNetwork(net)


def test_reverse_mode_is_backpropagation():
    """One reverse pass over x and all parameters gives dC/dx, dC/dW and dC/db."""
    net = MLP((2, 2, 3, 1), Sigmoid(), Glorot(), output_activation=Tanh(), seed=0).double()
    x, t = torch.tensor([[0.1, 0.5]], dtype=F64), torch.tensor([[0.7]], dtype=F64)
    network = ScalarNetwork(net, parameters=True)

    def cost(*numbers):
        (a,) = network(*numbers)
        return 0.5 * (a - 0.7) ** 2

    point = [*x[0].tolist(), *network.numbers]
    found = reverse_jacobian(cost, point)
    hand = backpropagate(net, x, t, HalfSquaredError(), activation_gradients=True)
    layers = [
        torch.cat([dW, db.unsqueeze(-1)], dim=-1).flatten()
        for dW, db in zip(hand.weight_gradients, hand.bias_gradients, strict=True)
    ]
    expected = torch.cat([hand.activation_gradients[0][0], *layers])
    assert found.passes == 1
    assert torch.allclose(torch.tensor(found.rows[0], dtype=F64), expected, rtol=1e-12)


def test_a_variable_used_twice_and_constants():
    """v * v adds two partials; constants and unused inputs have derivative 0."""
    assert reverse_jacobian(lambda x: x * x, [3.0]).rows == ((6.0,),)
    assert reverse_jacobian(lambda x, y: x + 1, [3.0, 1.0]).rows == ((1.0, 0.0),)
    assert forward_jacobian(lambda x, y: 7.0, [3.0, 1.0]).rows == ((0.0, 0.0),)
    assert reverse_jacobian(lambda x, y: 7.0, [3.0, 1.0]).rows == ((0.0, 0.0),)
    assert trace_table(lambda x: 7.0, [1.0]).rows[0].adjoint == 0.0


def test_overflow_is_an_outcome():
    """exp of a large number is infinite, as floats have it."""
    assert forward_derivative(exp, [1e4], [1.0]) == (math.inf, math.inf)


@pytest.mark.parametrize(("base", "n"), [(-1e200, 3), (-1e110, 4), (1e110, 4), (-1e-200, -3)])
def test_a_power_that_overflows_keeps_its_sign(base, n):
    """Value and derivative are torch's infinities, by both modes."""
    x = torch.tensor(base, dtype=F64, requires_grad=True)
    value = x**n
    (slope,) = torch.autograd.grad(value, x)
    value = value.detach()
    assert forward_derivative(lambda a: a**n, [base], [1.0]) == (float(value), float(slope))
    assert reverse_jacobian(lambda a: a**n, [base]).rows == ((float(slope),),)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_program_starts_from_finite_numbers(bad):
    """Inputs and directions that are not finite are refused at every door."""
    doors = (
        lambda x, v: forward_derivative(lambda a: a * a, [x], [v]),
        lambda x, v: trace_table(lambda a: a * a, [x], direction=[v]),
    )
    for door in doors:
        with pytest.raises(ValueError, match=f"found x with {bad} at place 0; expected finite"):
            door(bad, 1.0)
        with pytest.raises(ValueError, match=f"found direction with {bad} at place 0"):
            door(1.0, bad)
    for jacobian in (forward_jacobian, reverse_jacobian):
        with pytest.raises(ValueError, match=f"found x with {bad}"):
            jacobian(lambda a: a * a, [bad])


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_powers_at_zero_are_torchs(n):
    """x^n at 0 has a derivative for every whole n, and for n = 0 it is 0."""
    x = torch.zeros((), dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(x**n, x)
    assert forward_derivative(lambda a: a**n, [0.0], [1.0]) == (0.0**n, float(slope))
    assert reverse_jacobian(lambda a: a**n, [0.0]).rows == ((float(slope),),)


def test_misuse_is_refused_by_name():
    """Domains, wrong counts and mixed modes: each error says what was found and expected."""
    with pytest.raises(ValueError, match=r"found sqrt\(-1.0\); expected operands in its domain"):
        forward_derivative(sqrt, [-1.0], [1.0])
    with pytest.raises(ValueError, match=r"found sqrt\(0.0\); expected operands where its deriv"):
        reverse_jacobian(sqrt, [0.0])
    with pytest.raises(ValueError, match=r"found 1.0 / 0.0"):
        forward_jacobian(lambda x: 1.0 / x, [0.0])
    with pytest.raises(ValueError, match="found 2 inputs and a direction of 1"):
        forward_derivative(lambda x, y: x, [1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="found a direction of 1 numbers; expected 2"):
        trace_table(lambda x, y: x * y, [1.0, 2.0], direction=[1.0])
    with pytest.raises(ValueError, match="found output=1 of a program with 1 results"):
        trace_table(lambda x: x, [1.0], output=1)
    with pytest.raises(TypeError, match="among dual numbers"):
        _ = Dual(1.0, 1.0) * Tape().input(2.0)
    with pytest.raises(TypeError, match="not on this tape"):
        _ = Tape().input(1.0) * Tape().input(2.0)
    with pytest.raises(ValueError, match="found a stack of runs=2 networks"):
        ScalarNetwork(MLP((2, 1), Tanh(), Glorot(), runs=2, seed=0))
    with pytest.raises(ValueError, match="found 1 inputs; expected 2 of them"):
        ScalarNetwork(MLP((2, 1), Tanh(), Glorot(), seed=0))(1.0)
