"""Arguments that are refused: every message names what was found, what was expected, and the remedy."""

import subprocess
import sys

import pytest
import torch
from tests.backprop.networks import mixed

from experiments.activations import Identity, Sigmoid
from experiments.activations.sigmoid import SigmoidFunction
from experiments.backprop import (
    backpropagate,
    fit,
    forward_pass,
    forward_products,
    gradient_agreement,
    input_gradient,
    input_jacobian,
    partial_products,
    scaled_backpropagate,
    survival,
)
from experiments.core.activation import Activation
from experiments.initializers import Glorot
from experiments.losses import CrossEntropy, HalfSquaredError
from experiments.models import MLP

F64 = torch.float64
T = torch.zeros(5, 1, dtype=F64)
DOORS = {
    "forward_pass": forward_pass,
    "backpropagate": lambda net, x: backpropagate(net, x, T, HalfSquaredError()),
    "scaled_backpropagate": lambda net, x: scaled_backpropagate(net, x, T, HalfSquaredError()),
    "survival": lambda net, x: survival(net, x, T, HalfSquaredError()),
    "input_gradient": input_gradient,
    "row": lambda net, x: input_gradient(net, x, order="row"),
    "input_jacobian": input_jacobian,
    "forward_products": forward_products,
    "partial_products": partial_products,
    "gradient_agreement": gradient_agreement,
    "fit": lambda net, x: fit(net, x, T, HalfSquaredError(), lr=0.1, steps=1),
}
INPUTS = {
    "too few features": (torch.ones(5, 3, dtype=F64), r"shape \(5, 3\); expected \(batch, 4\)"),
    "no batch axis": (torch.ones(4, dtype=F64), r"shape \(4,\)"),
    "a run axis too many": (torch.ones(2, 5, 4, dtype=F64), r"shape \(2, 5, 4\)"),
    "empty": (torch.ones(0, 4, dtype=F64), "an empty batch"),
    "another type": (torch.ones(5, 4), "torch.float32 on cpu; expected torch.float64"),
    "nan": (torch.full((5, 4), torch.nan, dtype=F64), "20 of 20 inputs that are not finite"),
    "infinite": (torch.full((5, 4), torch.inf, dtype=F64), "not finite"),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize(("x", "message"), INPUTS.values(), ids=INPUTS)
def test_input_that_does_not_fit_is_refused(door, x, message):
    """Every door refuses input of a wrong shape, type or with numbers that are not finite."""
    if door is DOORS["fit"] and x.dim() != 2:
        message = "data of shape"
    if door is DOORS["fit"] and len(x) == 0:
        message = "5 targets for 0 examples"
    with pytest.raises(ValueError, match=message):
        door(mixed(2, n_out=1), x)


def test_a_stack_refuses_another_number_of_runs():
    """Broadcasting over the run axis is refused: (1, batch, n) is not shared input."""
    stack = mixed(2, n_out=1, runs=3)
    for runs in (1, 2):
        with pytest.raises(ValueError, match=r"expected \(batch, 4\) or \(3, batch, 4\)"):
            forward_pass(stack, torch.ones(runs, 5, 4, dtype=F64))


@pytest.mark.parametrize("order", ["reverse", "row"])
def test_several_outputs_have_no_input_gradient(order):
    """n_L > 1 is refused where a gradient is asked for, and the Jacobian is pointed to."""
    with pytest.raises(ValueError, match="found n_L=3 outputs; expected n_L=1; use input_jacobian"):
        input_gradient(mixed(1), torch.ones(5, 4, dtype=F64), order=order)
    with pytest.raises(ValueError, match="n_L=3"):
        gradient_agreement(mixed(1), torch.ones(5, 4, dtype=F64))
    with pytest.raises(ValueError, match="found order='column'"):
        input_gradient(mixed(1, n_out=1), torch.ones(5, 4, dtype=F64), order="column")


@pytest.mark.parametrize(
    "t",
    [
        torch.zeros(5, dtype=F64),
        torch.zeros(4, 3, dtype=F64),
        torch.zeros(5, 2, dtype=F64),
        torch.zeros(1, 3, dtype=F64),
        torch.zeros(4, dtype=torch.long),
        torch.full((5, 3), torch.nan, dtype=F64),
        torch.full((5,), 3),
        torch.zeros(5, 3, dtype=torch.complex64),
    ],
    ids=["rank", "examples", "outputs", "broadcast", "classes", "nan", "no such class", "complex"],
)
@pytest.mark.parametrize("loss", [HalfSquaredError(), CrossEntropy()], ids=["value", "class"])
def test_targets_of_the_wrong_kind_are_refused(t, loss):
    """Targets of another shape, kind or range: a ValueError, and never a broadcast."""
    net, x = mixed(2), torch.ones(5, 4, dtype=F64)
    for call in (backpropagate, scaled_backpropagate, survival):
        with pytest.raises(ValueError, match="expected"):
            call(net, x, t, loss)


class Forgetful(Activation):
    """A value, and a derivative that nobody wrote."""

    max_derivative = 1.0
    range = (0.0, 1.0)

    formulas = (torch.clone, None, None)

    def operator(self, z):
        return z.clone()

    def forward(self, z):
        return z

    def operations(self, z, a, derivative):
        raise NotImplementedError


class UnfinishedFunction(SigmoidFunction):
    """A derivative that refuses."""

    @staticmethod
    def forward(z):
        raise NotImplementedError


class Unfinished(Forgetful):
    """The same, with the method there and empty."""

    functions = (SigmoidFunction, UnfinishedFunction)


def test_an_activation_without_a_derivative_is_refused():
    """Whether the method is empty or the module is no Activation at all, the room is named."""
    forgetful = MLP((4, 3, 1), Forgetful(), Glorot(), seed=0).double()
    unfinished = MLP((4, 3, 1), Unfinished(), Glorot(), seed=0).double()
    foreign = MLP((4, 3, 1), Sigmoid(), Glorot(), seed=0).double()
    foreign.dense_layers[0].activation = torch.nn.Tanh()
    x = torch.ones(5, 4, dtype=F64)
    for name, net in (("Forgetful", forgetful), ("Unfinished", unfinished), ("Tanh", foreign)):
        for door in DOORS.values():
            if door is forward_pass and net is unfinished:
                continue  # a forward pass needs no derivative
            with pytest.raises(ValueError, match=f"{name}, an activation without a derivative"):
                door(net, x)


def test_parameters_that_do_not_chain_are_refused():
    """A layer whose weight was replaced by another shape is named."""
    net = mixed(2, n_out=1)
    net.dense_layers[1].weight = torch.nn.Parameter(torch.ones(8, 8, dtype=F64))
    with pytest.raises(ValueError, match=r"found W \(8, 8\) and b \(8,\) in layer_03; expected"):
        forward_pass(net, torch.ones(5, 4, dtype=F64))


@pytest.mark.parametrize("leaf", ["weight", "bias"])
def test_parameters_of_two_float_types_are_refused(leaf):
    """A float32 layer in a float64 net is named, before torch complains about a product."""
    net = mixed(2, n_out=1)
    layer = net.dense_layers[1]
    setattr(layer, leaf, torch.nn.Parameter(getattr(layer, leaf).detach().float()))
    message = "torch.float32.* in layer_03; expected torch.float64 on cpu, as in layer_02; move"
    for door in DOORS.values():
        with pytest.raises(ValueError, match=message):
            door(net, torch.ones(5, 4, dtype=F64))


#: objects of another kind, and the beginning of the answer; the package is not type-checked here
STRANGERS = {
    "forward_pass(stranger, x)": "found Sequential as the network; expected an MLP",
    "backpropagate(stranger, x, t, loss)": "found Sequential as the network; expected an MLP",
    "input_gradient(stranger, x)": "found Sequential as the network; expected an MLP",
    "fit(stranger, x, t, loss, 0.1, steps=1)": "found Sequential as the network; expected an MLP",
    "ScalarNetwork(stranger)": "found Sequential as the network; expected an MLP",
    "forward_pass(net, [[1.0, 2.0]])": "found x of type list; expected a tensor; convert x with",
    "backpropagate(net, x.numpy(), t, loss)": "found x of type ndarray; expected a tensor",
    "fit(net, x.tolist(), t, loss, 0.1, steps=1)": "found x of type list; expected a tensor",
    "backpropagate(net, x, None, loss)": "found t of type NoneType; expected a tensor",
    "backpropagate(net, x, [1.0] * 6, loss)": "found t of type list; expected a tensor",
    "fit(net, x, None, loss, 0.1, steps=1)": "found t of type NoneType; expected a tensor",
    "fit(net, x, t[0, 0], loss, 0.1, steps=1)": "found one number as targets for 6 examples",
    "fit(net, x, t, MSELoss(), 0.1, steps=1)": "found MSELoss as the loss; expected a Loss",
    "list(walkthrough(net, x[:1], t[:1], MSELoss()))": "found MSELoss as the loss; expected a Loss",
    "list(walkthrough(net, None, t, loss))": "found x of type NoneType; expected a tensor",
    "fit(net, x, t, loss, 'a', steps=1)": "found lr='a'; expected numbers; give lr one number",
    "fit(net, x, t, loss, 0.1, steps=1, tolerance='a')": "found tolerance='a'; expected a number",
    "fit(net, x, t, loss, 0.1, steps=1, method='mini-batch', batch_size=2.5)": (
        "found batch_size=2.5; expected 1 to 6"
    ),
    "scalar_chain(1.0, [1.0], [0.0], Tanh())": "found Tanh, an activation without a derivative",
    "scalar_chain('a', [1.0], [0.0], Sigmoid())": "found x=['a']; expected a sequence of numbers",
    "multiply_adds((2.5, 1))": "found widths=(2.5, 1); expected (n_1, ..., n_L), at least two",
}
PREPARED = """
import torch
from torch.nn import Linear, MSELoss, Sequential, Tanh
from experiments.activations import Sigmoid
from experiments.backprop import *
from experiments.initializers import Glorot
from experiments.losses import HalfSquaredError
from experiments.models import MLP

net, loss = MLP((2, 3, 1), Sigmoid(), Glorot(), seed=0), HalfSquaredError()
stranger, x, t = Sequential(Linear(2, 1)), torch.ones(6, 2), torch.ones(6, 1)
"""


def test_objects_of_another_kind_are_refused():
    """A list, an array, None, torch's own loss or network: a ValueError with the remedy, not torch's."""
    attempts = "\n".join(
        f"try:\n    {call}\nexcept ValueError as error:\n    print(error)" for call in STRANGERS
    )
    ran = subprocess.run(
        [sys.executable, "-c", PREPARED + attempts], capture_output=True, text=True, check=True
    )
    answers = ran.stdout.splitlines()
    assert [a[: len(e)] for a, e in zip(answers, STRANGERS.values(), strict=True)] == [
        *STRANGERS.values()
    ]


@pytest.mark.parametrize("transform", ["grad", "jvp", "vmap", "jacrev"])
def test_transforms_are_refused(transform):
    """Inside torch.func these functions would be constants: they refuse instead of returning 0."""
    net = MLP((4, 1), Identity(), Glorot(), seed=0).double()
    x = torch.ones(5, 4, dtype=F64)

    def output(x):
        return forward_pass(net, x).a[-1].sum()

    calls = {
        "grad": lambda: torch.func.grad(output)(x),
        "jvp": lambda: torch.func.jvp(output, (x,), (x,)),
        "vmap": lambda: torch.func.vmap(output)(x.unsqueeze(0)),
        "jacrev": lambda: torch.func.jacrev(output)(x),
    }
    with pytest.raises(ValueError, match=r"a call inside a torch\.func transform"):
        calls[transform]()
