"""Where the carried exponent must be taken up, laid down, or cannot help; against 40 digits."""

import math

import pytest
import torch
from tests.backprop.scaling_oracle import held_to_the_oracle

from experiments.activations import ELU, Identity, ReLU, Sigmoid, Softplus, Tanh
from experiments.backprop import scaled_backpropagate, survival
from experiments.core.loss import Loss
from experiments.initializers import Gaussian
from experiments.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    HalfSquaredError,
    LabelSmoothedCrossEntropy,
)
from experiments.models import MLP


@pytest.mark.parametrize("output", [Sigmoid(), ReLU()])
@pytest.mark.parametrize("last", ["dead", "cut"])
def test_a_layer_that_dies_at_1e900_leaves_the_bias_behind_it_its_size(output, last):
    """300 ReLU layers of w = 1000, then zeros: what follows is of the size of the bias alone."""
    net = MLP((1, *[1] * 301, 1), ReLU(), Gaussian(1.0, 0.0), output_activation=output, seed=0)
    net = net.double()
    with torch.no_grad():
        for W in net.weights[:300]:
            W.fill_(1000.0)
        net.weights[300].fill_({"dead": -1000.0, "cut": 0.0}[last])
        net.weights[301].fill_(1.0)
        net.biases[301].fill_(0.5)
    deltas = held_to_the_oracle(net, torch.ones(1, 1).double(), torch.tensor([[-2.5]]).double())
    assert abs(deltas[-1]) < 1


def test_a_run_that_dies_disturbs_no_other():
    """Two runs at 1e900, one of which dies: each gives what it gives alone."""
    stack = MLP((1, *[1] * 301, 1), ReLU(), Gaussian(1.0, 0.0), runs=2, seed=0)
    alone = MLP((1, *[1] * 301, 1), ReLU(), Gaussian(1.0, 0.0), seed=0)
    with torch.no_grad():
        for net in (stack, alone):
            for W in net.weights:
                W.fill_(1000.0)
            net.biases[301].fill_(0.5)
        stack.weights[300][0].fill_(-1000.0)
    x, t = torch.ones(1, 1), torch.tensor([[-2.5]])
    together = scaled_backpropagate(stack, x, t, HalfSquaredError())
    expected = scaled_backpropagate(alone, x, t, HalfSquaredError())
    assert float(together.log10_delta_norms[-1][0]) == pytest.approx(math.log10(3.0), abs=1e-12)
    for both, one in zip(together.log10_delta_norms, expected.log10_delta_norms, strict=True):
        assert float(both[1]) == pytest.approx(float(one), abs=1e-12)


@pytest.mark.parametrize("sigma", [Tanh(), Identity()])
def test_outputs_below_the_floats_against_targets_of_zero(sigma):
    """delta^[L] = a - 0 has the size of the outputs, 1e-427 here, and not 0."""
    net = MLP((3, *[3] * 400, 2), sigma, Gaussian(0.1, 0.0), seed=0)
    deltas = held_to_the_oracle(net, torch.tensor([[1.0, -0.5, 0.3]] * 2), torch.zeros(2, 2))
    assert deltas[-1] < -400
    assert deltas[0] < -800


@pytest.mark.parametrize("target", [1.0, 1e-30, 1e-300])
def test_outputs_below_the_floats_against_other_targets(target):
    """A target that is not 0, however small, is what delta^[L] is made of."""
    net = MLP((3, *[3] * 400, 2), Tanh(), Gaussian(0.1, 0.0), seed=0).double()
    x = torch.tensor([[1.0, -0.5, 0.3]]).double()
    deltas = held_to_the_oracle(net, x, torch.tensor([[target, 0.0]], dtype=torch.float64))
    assert deltas[-1] == pytest.approx(math.log10(target))


@pytest.mark.parametrize("second", [0.0, 1.0])
def test_the_sign_of_an_absolute_error_survives_outputs_below_the_floats(second):
    """d|a - 0| / da is 1 or -1 at any size of a, next to a target of 0 or of 1."""
    net = MLP((3, *[3] * 400, 2), Tanh(), Gaussian(0.1, 0.0), seed=0)
    t = torch.tensor([[0.0, second]])
    found = scaled_backpropagate(net, torch.ones(1, 3), t, AbsoluteError())
    assert float(found.log10_delta_norms[-1]) == pytest.approx(math.log10(math.sqrt(2.0)))


def chain(sigma, *weights, output=None):
    """A float64 chain of single neurons with these weights."""
    widths = [1] * (len(weights) + 1)
    net = MLP(widths, sigma, Gaussian(1.0, 0.0), output_activation=output, seed=0).double()
    with torch.no_grad():
        for W, w in zip(net.weights, weights, strict=True):
            W.fill_(w)
    return net


def only(name, survivals):
    """Whether every entry of every layer belongs to the one kind named."""
    return all(float(getattr(share, name)) == 1.0 for share in survivals)


@pytest.mark.parametrize(
    ("sigma", "sign"),
    [(Sigmoid(), 1), (Sigmoid(), -1), (Tanh(), 1), (Tanh(), -1), (ELU(), -1), (Softplus(), -1)],
)
def test_one_slope_below_the_floats_is_underflow(sigma, sign):
    """At |z| = 1000 sigma' is 1e-434 and not 0: float64 cannot hold it, and survival does not say zero."""
    net = chain(sigma, 1000.0 * sign, 1.0)
    x, t = torch.ones(1, 1).double(), torch.full((1, 1), 3.0).double()
    assert scaled_backpropagate(net, x, t, HalfSquaredError()).log10_delta_norms[0] == -math.inf
    found = survival(net, x, t, HalfSquaredError())
    assert only("underflow", [found.deltas[0], found.weight_gradients[0]])
    assert only("kept", found.deltas[1:])
    # sigma(z) of the sigmoid and of softplus is e^-1000, and with it dC/dW above
    value_lost = sign < 0 and isinstance(sigma, Sigmoid | Softplus)
    assert only("underflow" if value_lost else "kept", found.weight_gradients[1:])


def test_underflow_is_handed_down_through_weights_that_are_not_zero():
    """Saturated twice, every layer underflows; behind a weight of 0 the truth is 0."""
    x, t = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    saturated = chain(Sigmoid(), 1000.0, 1000.0, 1000.0, output=Sigmoid())
    found = survival(saturated, x, t, HalfSquaredError())
    assert only("underflow", found.deltas + found.weight_gradients)
    cut = survival(chain(Sigmoid(), 1000.0, 0.0, 1000.0), x, t, HalfSquaredError())
    assert only("zero", cut.deltas[:1] + cut.weight_gradients[:1])
    assert only("kept", cut.deltas[1:])


def test_a_loss_slope_below_the_floats_is_underflow():
    """Right by 1000: a - t is e^-1000 for either cross-entropy, and not 0."""
    x = torch.ones(1, 1).double()
    for net, t, loss in (
        (chain(Identity(), 1000.0, 1.0), torch.ones(1, 1, dtype=torch.long), BinaryCrossEntropy()),
        (
            MLP((1, 2), Identity(), Gaussian(1.0, 0.0), seed=0).double(),
            torch.tensor([0]),
            CrossEntropy(),
        ),
    ):
        with torch.no_grad():
            net.weights[-1][-1].fill_(1.0)
            net.weights[0][0].fill_(1001.0)
        assert scaled_backpropagate(net, x, t, loss).log10_delta_norms[0] == -math.inf
        found = survival(net, x, t, loss)
        assert only("underflow", found.deltas + found.weight_gradients)


@pytest.mark.parametrize(
    ("loss", "right", "wrong"),
    [
        (BinaryCrossEntropy(), 709, None),
        (CrossEntropy(), 745, None),
        (Focal(gamma=2.0), 745 // 3, None),
        (LabelSmoothedCrossEntropy(), None, None),
        (HalfSquaredError(link="sigmoid"), 372, 709),
        (HalfSquaredError(link="softmax"), 372, 745),
        (AbsoluteError(link="sigmoid"), 709, 709),
        (AbsoluteError(link="softmax"), 745, 745),
    ],
    ids=lambda value: f"{type(value).__name__}-{value.link}" if isinstance(value, Loss) else None,
)
def test_the_margins_at_which_the_slope_of_a_loss_underflows(loss, right, wrong):
    """Right or wrong by so much in z it is a float, and by 1 more it is 0; None: not even by 2000."""

    def slope(margin):
        z = [[margin]] if loss.link == "sigmoid" else [[margin, 0.0]]
        t = torch.ones(1, 1).double() if loss.link == "sigmoid" else torch.tensor([0])
        return loss.delta(torch.tensor(z, dtype=torch.float64), t)

    for sign, margin in ((1.0, right), (-1.0, wrong)):
        assert bool(slope(sign * (margin or 2000)).all())
        assert margin is None or not bool(slope(sign * (margin + 1)).any())


def test_what_is_zero_in_truth_stays_zero():
    """A dead ReLU, a target that is met, and a difference that cancels exactly."""
    x, t = torch.ones(1, 1).double(), torch.ones(1, 1).double()
    dead = survival(chain(ReLU(), -1000.0, 1.0), x, t, HalfSquaredError())
    assert only("zero", [dead.deltas[0], *dead.weight_gradients])
    met = survival(chain(Identity(), 1.0, 1.0), x, t, HalfSquaredError())
    assert only("zero", met.deltas + met.weight_gradients)
    net = MLP((1, 1, 2), Tanh(), Gaussian(1.0, 0.0), seed=0).double()
    with torch.no_grad():
        net.weights[1].fill_(1.0)
    equal = survival(net, x, torch.tensor([0]), CrossEntropy())
    assert only("zero", equal.deltas[:1] + equal.weight_gradients[:1])


def test_a_lost_output_next_to_a_target_of_zero_is_underflow():
    """Outputs of 1e-427, one with target 0 and one with target 1: the first is lost, not absent."""
    net = MLP((3, *[3] * 400, 2), Tanh(), Gaussian(0.1, 0.0), seed=0)
    found = survival(net, torch.ones(1, 3), torch.tensor([[0.0, 1.0]]), HalfSquaredError())
    assert (float(found.deltas[-1].underflow), float(found.deltas[-1].kept)) == (0.5, 0.5)


def test_examples_further_apart_than_the_floats_belong_in_separate_calls():
    """Next to an example of 1e900, one of 0.5 is taken for dead; alone it is right."""
    net = chain(ReLU(), *[1000.0] * 300, 1.0)
    x, t = torch.tensor([[1.0], [0.0]]).double(), torch.zeros(2, 1).double()
    with torch.no_grad():
        net.biases[299].fill_(0.5)
    alone = held_to_the_oracle(net, x[1:], t[1:])
    assert alone[-1] == pytest.approx(math.log10(0.5))
    both = survival(net, x, t, HalfSquaredError())
    assert float(both.deltas[-2].zero) == 0.5
