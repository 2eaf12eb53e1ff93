"""MLP: shapes, seeds, and the whole network against torch's own layers."""

import inspect

import numpy as np
import pytest
import torch

from experiments.activations import ELU, Identity, ReLU, Sigmoid, Tanh
from experiments.core.errors import ConfigurationError
from experiments.initializers import Gaussian, Glorot, He, Orthogonal, TorchDefault
from experiments.layers import Dense
from experiments.models import MLP


@pytest.mark.usefixtures("float64")
def test_the_network_is_torchs_with_the_same_numbers():
    """Mixed activations: output and every gradient equal torch's layers with the same parameters."""
    net = MLP((3, 5, 4, 6, 2), [Sigmoid(), ReLU(), ELU()], Glorot(), seed=1)
    x = torch.randn(7, 3)
    a = x
    weights = [w.detach().clone().requires_grad_() for w in net.weights]
    biases = [b.detach().clone().requires_grad_() for b in net.biases]
    native = [torch.sigmoid, torch.relu, torch.nn.functional.elu, lambda z: z]
    for w, b, sigma in zip(weights, biases, native, strict=True):
        a = sigma(torch.nn.functional.linear(a, w, b))
    torch.testing.assert_close(net(x), a, rtol=1e-14, atol=1e-15)
    net(x).square().sum().backward()
    a.square().sum().backward()
    for ours, theirs in zip([*net.weights, *net.biases], [*weights, *biases], strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", [0, 4, [3, 1, 4]])
def test_run_r_draws_what_its_seed_draws_alone(seed):
    """One seed s means s, s+1, s+2; each run equals MLP(seed=its seed), bit for bit."""
    stack = MLP((2, 3, 3, 1), Tanh(), Gaussian(1.0, 0.5), runs=3, seed=seed)
    seeds = [seed, seed + 1, seed + 2] if isinstance(seed, int) else seed
    for r, s in enumerate(seeds):
        alone = MLP((2, 3, 3, 1), Tanh(), Gaussian(1.0, 0.5), seed=s)
        for ours, theirs in zip(stack.parameters(), alone.parameters(), strict=True):
            assert torch.equal(ours[r], theirs)


@pytest.mark.parametrize(
    "seeds", [np.array([3, 1, 4]), torch.tensor([3, 1, 4]), range(3, 6), (np.int64(3), 1, 4)]
)
def test_seeds_and_widths_may_be_arrays(seeds):
    """NumPy's and torch's integers are integers."""
    stack = MLP(np.array([2, 3, 1]), Tanh(), Glorot(), runs=np.int64(3), seed=seeds)
    plain = MLP((2, 3, 1), Tanh(), Glorot(), runs=3, seed=[int(s) for s in seeds])
    assert torch.equal(stack.weights[0], plain.weights[0])
    assert (stack.widths, stack.runs) == ((2, 3, 1), 3)
    one = Dense(2, 3, Tanh(), Glorot(), seed=np.int64(7))
    assert torch.equal(one.weight, Dense(2, 3, Tanh(), Glorot(), seed=7).weight)


def test_shapes_can_be_had_without_numbers():
    """On the meta device, as for counting parameters."""
    net = MLP((2, 3, 1), Tanh(), Glorot(), runs=4).to("meta")
    assert net(torch.empty(5, 2, device="meta")).shape == (4, 5, 1)


@pytest.mark.parametrize("initializer", [Glorot(), He(), Orthogonal(), TorchDefault()], ids=repr)
def test_parameters_are_made_where_torch_makes_tensors(initializer):
    """On the default device and in the default type, as torch.nn.Linear's are."""
    with torch.device("meta"):
        net, linear = MLP((2, 3, 1), Tanh(), initializer), torch.nn.Linear(2, 3)
    for parameter in net.parameters():
        assert (parameter.device, parameter.dtype) == (linear.weight.device, linear.weight.dtype)


@pytest.mark.gpu
def test_a_network_is_made_on_a_default_device_of_cuda():
    """The numbers are those of the CPU, drawn there and moved."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    with torch.device("cuda"):
        net = MLP((2, 3, 1), Tanh(), Glorot(), runs=2)
    assert net.weights[0].is_cuda
    plain = MLP((2, 3, 1), Tanh(), Glorot(), runs=2)
    assert torch.equal(net.weights[0].cpu(), plain.weights[0])


def test_seed_zero_is_a_seed():
    """Two networks of seed 0 are equal; seed 1 is another network."""
    first, again, other = (MLP((2, 3, 1), Tanh(), Glorot(), seed=s) for s in (0, 0, 1))
    assert torch.equal(first.weights[0], again.weights[0])
    assert not torch.equal(first.weights[0], other.weights[0])


def test_depth_and_widths():
    """Depth counts hidden layers, L counts the input too; two widths make a linear model."""
    net = MLP((4, 8, 8, 2), ReLU(), He())
    assert (net.depth, net.num_layers, len(net.weights)) == (2, 4, 3)
    assert [tuple(w.shape) for w in net.weights] == [(8, 4), (8, 8), (2, 8)]
    assert [type(s) for s in net.activations] == [ReLU, ReLU, Identity]
    linear = MLP((4, 2), ReLU(), He())
    assert linear.depth == 0
    x = torch.randn(3, 4)
    torch.testing.assert_close(linear(x), x @ linear.weights[0].T + linear.biases[0])


def test_each_run_may_have_its_own_initializer():
    """A list of initialisers has one per run; each run equals the network alone."""
    stack = MLP((2, 3, 1), Tanh(), [Glorot(), Gaussian(2.0)], runs=2, seed=[0, 0])
    alone = MLP((2, 3, 1), Tanh(), Gaussian(2.0), seed=0)
    assert torch.equal(stack.weights[0][1], alone.weights[0])


def test_shared_and_own_inputs_give_the_same_outputs():
    """(batch, n_1) is every run's input; (R, batch, n_1) gives each its own."""
    stack = MLP((2, 3, 1), Tanh(), Glorot(), runs=3)
    x = torch.randn(5, 2)
    torch.testing.assert_close(stack(x), stack(x.expand(3, 5, 2)))
    assert stack(x).shape == (3, 5, 1)


@pytest.mark.usefixtures("float64")
def test_records_hold_autograds_deltas():
    """recorded_forward's delta of every layer is z.grad of the differentiated cost."""
    net = MLP((3, 4, 4, 2), Tanh(), Glorot(), runs=2)
    x = torch.randn(6, 3)
    out, records = net.recorded_forward(x)
    assert "LayerRecord" in repr(records)  # before delta is there
    out.square().sum().backward()
    a, zs = x, []
    for k, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        z = a @ weight.mT + bias.unsqueeze(1)
        z.retain_grad()
        zs.append(z)
        a = torch.tanh(z) if k < net.depth else z
    a.square().sum().backward()
    for record, z in zip(records, zs, strict=True):
        torch.testing.assert_close(record.delta, z.grad, rtol=1e-13, atol=1e-15)


@pytest.mark.usefixtures("float64")
def test_vmap_over_stacked_parameters_is_the_stack():
    """torch.func.vmap of one network over R sets of parameters gives the stack's gradients."""
    stack = MLP((3, 4, 2), Sigmoid(), Glorot(), runs=3)
    single = MLP((3, 4, 2), Sigmoid(), Glorot())
    x = torch.randn(5, 3)
    stack(x).square().sum().backward()

    def cost(parameters):
        return torch.func.functional_call(single, parameters, (x,)).square().sum()

    gradients = torch.func.vmap(torch.func.grad(cost))(dict(stack.named_parameters()))
    for name, parameter in stack.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-13, atol=1e-15)


def test_saving_and_loading_keeps_every_number():
    """A state_dict fits a network of the same widths."""
    net = MLP((3, 4, 2), Tanh(), Glorot(), seed=1)
    other = MLP((3, 4, 2), Tanh(), Glorot(), seed=2)
    other.load_state_dict(net.state_dict())
    x = torch.randn(2, 3)
    assert torch.equal(net(x), other(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (3,)}, "at least"),
        ({"widths": (3, 0, 2)}, r"widths\[1\]=0"),
        ({"widths": (3, 4, 4, 2), "activation": [Tanh()]}, "1 activations; expected one, or 2"),
        ({"widths": (3, 2), "seed": -1}, "seed=-1"),
        ({"widths": (3, 2), "runs": 2, "seed": [1]}, "1 seeds"),
        ({"widths": (3, 2), "seed": True}, "seed=True"),
        ({"widths": (3, 2), "runs": 0}, "runs=0; expected an integer from 1"),
        ({"widths": (3, 2), "runs": 2, "seed": torch.tensor([1.0, 2.0])}, "seed=1.0"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_by_name(arguments, message):
    """Every refusal names what was found and what was expected."""
    good = {"activation": Tanh(), "initializer": Glorot()}
    with pytest.raises(ConfigurationError, match=message):
        MLP(**good | arguments)


def test_the_outputs_activation_is_refused_by_its_own_name():
    """Asked without the annotations that tests check, which refuse it earlier; so is one width."""
    unchecked = inspect.unwrap(MLP.__init__)
    with pytest.raises(ConfigurationError, match="found output_activation='sigmoid'"):
        unchecked(MLP.__new__(MLP), (3, 2), Tanh(), Glorot(), output_activation="sigmoid")
    with pytest.raises(ConfigurationError, match="found widths=5; expected at least"):
        unchecked(MLP.__new__(MLP), 5, Tanh(), Glorot())
