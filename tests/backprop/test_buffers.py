"""Buffers: the same numbers in memory that is reserved once."""

import inspect
import pickle

import pytest
import torch
from tests.backprop.networks import close, mixed

from experiments.activations import ReLU, Sigmoid
from experiments.backprop import BackpropagationBuffers, backpropagate
from experiments.initializers import Glorot
from experiments.losses import CrossEntropy, HalfSquaredError
from experiments.models import MLP

F64 = torch.float64


@pytest.mark.parametrize("runs", [None, 3])
@pytest.mark.parametrize("output", [None, Sigmoid()])
def test_buffers_change_no_number(runs, output):
    """With buffers, cost and all gradients equal those without, call after call."""
    net = mixed(4, runs=runs, output=output)
    buffers = BackpropagationBuffers(net, 5)
    for _ in range(2):
        x = torch.randn(*(() if runs is None else (runs,)), 5, 4, dtype=F64)
        t = torch.randint(3, (5,))
        found = backpropagate(net, x, t, CrossEntropy(), buffers=buffers)
        expected = backpropagate(net, x, t, CrossEntropy())
        assert torch.allclose(found.loss, expected.loss, rtol=1e-14)
        for name in ("deltas", "weight_gradients", "bias_gradients"):
            assert close(getattr(found, name), getattr(expected, name), 1e-14)


def test_a_call_reserves_no_memory_for_a_layer():
    """Results lie in the buffers: the second call writes where the first one did."""
    net = mixed(3)
    buffers = BackpropagationBuffers(net, 5)
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    first = backpropagate(net, x, t, HalfSquaredError(), buffers=buffers)
    kept = first.weight_gradients[0].clone()
    second = backpropagate(net, -x, t, HalfSquaredError(), buffers=buffers)
    assert first.weight_gradients[0] is second.weight_gradients[0]
    assert not torch.equal(kept, second.weight_gradients[0])


@pytest.mark.parametrize("runs", [None, 3])
def test_gradients_may_be_views_of_one_buffer(runs):
    """Gradients can be written into strided views of a flat buffer, one row a run."""
    net = mixed(3, runs=runs)
    lead = () if runs is None else (runs,)
    parameters = [*net.weights, *net.biases]
    sizes = [p[0].numel() if runs else p.numel() for p in parameters]
    flat = torch.full((*lead, sum(sizes)), torch.nan, dtype=F64)
    views = [
        part.view(*lead, *p.shape[len(lead) :])
        for part, p in zip(flat.split(sizes, dim=-1), parameters, strict=True)
    ]
    n = len(net.weights)
    buffers = BackpropagationBuffers(net, 5, views[:n], views[n:])
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    backpropagate(net, x, t, HalfSquaredError(), buffers=buffers)
    expected = backpropagate(net, x, t, HalfSquaredError())
    assert close(views, [*expected.weight_gradients, *expected.bias_gradients], 1e-14)
    assert not flat.isnan().any()


@pytest.mark.parametrize("runs", [None, 3])
def test_layers_may_share_memory(runs):
    """keep=False gives the same cost and gradients, and holds two deltas below the last layer's."""
    net = mixed(5, runs=runs, output=Sigmoid())
    buffers = BackpropagationBuffers(net, 5, keep=False)
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    found = backpropagate(net, x, t, HalfSquaredError(), buffers=buffers)
    expected = backpropagate(net, x, t, HalfSquaredError())
    assert close(found.weight_gradients, expected.weight_gradients, 1e-14)
    assert close(found.bias_gradients, expected.bias_gradients, 1e-14)
    assert found.deltas == []


@pytest.mark.parametrize("runs", [None, 3])
def test_buffers_that_keep_may_share_the_rest(runs):
    """a and sigma' lie in the other buffers' memory; both keep giving the right numbers, in turns."""
    net = mixed(5, runs=runs, output=Sigmoid())
    scratch = BackpropagationBuffers(net, 5, keep=False)
    keeping = BackpropagationBuffers(net, 5, sharing=scratch)
    for _ in range(2):
        x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
        expected = backpropagate(net, x, t, HalfSquaredError())
        found = backpropagate(net, x, t, HalfSquaredError(), buffers=keeping)
        assert close(found.deltas, expected.deltas, 1e-14)
        for z, a, slope, dense in zip(
            keeping.z, keeping.a, keeping.derivative, net.dense_layers, strict=True
        ):
            assert close(
                [a, slope], [dense.activation.value(z), dense.activation.derivative(z)], 1e-14
            )
        for buffers in (keeping, scratch):
            found = backpropagate(net, x, t, HalfSquaredError(), buffers=buffers)
            assert close(found.weight_gradients, expected.weight_gradients, 1e-14)
    shared = {a.data_ptr() for a in keeping.a} & {a.data_ptr() for a in scratch.a}
    assert shared
    assert {d.data_ptr() for d in keeping.derivative} == {d.data_ptr() for d in scratch.derivative}
    assert len({delta.data_ptr() for delta in buffers.delta[:-1]}) == 2


@pytest.mark.parametrize("runs", [None, 3])
@pytest.mark.parametrize("keep", [False, True])
def test_a_pass_shows_every_tensor_when_it_is_written(runs, keep):
    """Also those that the next layer overwrites; new parameters are shown as soon as they are used."""
    seen: dict[tuple[str, int], torch.Tensor] = {}

    def observe(name, layer, tensor):
        return [lambda: seen.update({(name, layer): tensor.clone()})]

    net = mixed(5, runs=runs, output=Sigmoid())
    buffers = BackpropagationBuffers(net, 5, keep=keep, observe=observe)
    for dense in [None, *net.dense_layers]:
        if dense is not None:
            dense.weight = torch.nn.Parameter(dense.weight.detach() * 1.1)
        seen.clear()
        x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
        backpropagate(net, x, t, HalfSquaredError(), buffers=buffers)
        expected = backpropagate(net, x, t, HalfSquaredError())
        _, traces = net.recorded_forward(x)
        wanted = {
            "a": [trace.a for trace in traces],
            "derivative": [
                layer.activation.derivative(trace.z)
                for layer, trace in zip(net.dense_layers, traces, strict=True)
            ],
            "delta": expected.deltas,
            "weight": net.weights,
            "weight_gradient": expected.weight_gradients,
            "bias_gradient": expected.bias_gradients,
        }
        assert seen.keys() == {(name, k) for name in wanted for k in range(len(net.weights))}
        for name, tensors in wanted.items():
            assert close([seen[name, k] for k in range(len(tensors))], tensors, 1e-13), name


def test_parameters_may_change_in_every_way():
    """Updates in place, new data and new Parameter objects are all seen by the next call."""
    net = mixed(2)
    buffers = BackpropagationBuffers(net, 5)
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)

    def agrees():
        found = backpropagate(net, x, t, HalfSquaredError(), buffers=buffers)
        expected = backpropagate(net, x, t, HalfSquaredError())
        return close(found.weight_gradients, expected.weight_gradients, 1e-14)

    with torch.no_grad():
        net.weights[1].mul_(0.5)
    assert agrees()
    net.weights[0].data = torch.randn_like(net.weights[0])
    assert agrees()
    net.biases[1].data = torch.randn_like(net.biases[1])
    assert agrees()
    net.dense_layers[1].weight = torch.nn.Parameter(torch.randn_like(net.weights[1]))
    assert agrees()


def test_what_does_not_fit_is_refused():
    """Another batch size, another network or gradients of other shapes: a named error."""
    net = mixed(2)
    buffers = BackpropagationBuffers(net, 5)
    x, t = torch.randn(6, 4, dtype=F64), torch.randn(6, 3, dtype=F64)
    loss = HalfSquaredError()
    with pytest.raises(
        ValueError, match=r"found 6 examples of torch\.float64 on cpu; expected 5 of"
    ):
        backpropagate(net, x, t, loss, buffers=buffers)
    with pytest.raises(ValueError, match="an input of shape"):
        backpropagate(net, x[:5, :3], t[:5], loss, buffers=buffers)
    with pytest.raises(ValueError, match=r"an input of torch\.float32"):
        backpropagate(net, x[:5].float(), t[:5], loss, buffers=buffers)
    with pytest.raises(ValueError, match="found x of type list; expected a tensor"):
        inspect.unwrap(backpropagate)(net, x[:5].tolist(), t[:5], loss, buffers=buffers)
    with pytest.raises(ValueError, match="buffers of another network"):
        backpropagate(mixed(2), x[:5], t[:5], loss, buffers=buffers)
    with pytest.raises(ValueError, match="without dC/da"):
        backpropagate(net, x[:5], t[:5], loss, activation_gradients=True, buffers=buffers)
    with pytest.raises(ValueError, match="gradient buffers"):
        BackpropagationBuffers(net, 5, weight_gradients=[torch.zeros(2, 2)])


@pytest.mark.parametrize("runs", [None, 3])
def test_memory_may_move_between_two_calls(runs):
    """Gradients sent to another process, or given other memory: the next call writes where they are."""
    net = mixed(3, runs=runs)
    buffers = BackpropagationBuffers(net, 5)
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    loss = HalfSquaredError()
    expected = backpropagate(net, x, t, loss)

    def agrees():
        found = backpropagate(net, x, t, loss, buffers=buffers)
        return close(
            [*found.weight_gradients, *found.bias_gradients, *found.deltas],
            [*expected.weight_gradients, *expected.bias_gradients, *expected.deltas],
            1e-14,
        )

    assert agrees()
    buffers.weight_gradients[1].share_memory_()
    buffers.delta[0].share_memory_()
    assert agrees()
    buffers.bias_gradients[0].data = torch.zeros_like(buffers.bias_gradients[0])
    buffers.bias_gradients[1].data = torch.zeros_like(buffers.bias_gradients[1])
    assert agrees()
    net.weights[1].data = net.weights[1].data.mT.contiguous().mT
    assert agrees()
    assert buffers.bias_gradients[0].any()


def test_autograd_notices_that_a_gradient_was_overwritten():
    """A result that was used in a graph and then overwritten is an error there, not a wrong number."""
    net = mixed(2)
    buffers = BackpropagationBuffers(net, 5)
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    gradient = backpropagate(net, x, t, HalfSquaredError(), buffers=buffers).weight_gradients[0]
    w = torch.ones_like(gradient, requires_grad=True)
    product = (w * gradient).sum()
    backpropagate(net, 2 * x, t, HalfSquaredError(), buffers=buffers)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_buffers_can_be_pickled():
    """The copy has memory of its own, and the same numbers."""
    net = mixed(2, runs=2)
    buffers = BackpropagationBuffers(net, 5)
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    copied = pickle.loads(pickle.dumps(buffers))
    found = backpropagate(copied.net, x, t, HalfSquaredError(), buffers=copied)
    expected = backpropagate(net, x, t, HalfSquaredError())
    assert close(found.weight_gradients, expected.weight_gradients, 1e-14)


def test_compiled_activations_change_no_number():
    """Beyond rounding; a copy made by pickle compiles too."""
    net = mixed(4, runs=3)
    buffers = BackpropagationBuffers(net, 5, compile=True)
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    expected = backpropagate(net, x, t, HalfSquaredError())
    for used in (buffers, pickle.loads(pickle.dumps(buffers))):
        assert used.compiled
        found = backpropagate(used.net, x, t, HalfSquaredError(), buffers=used)
        assert close(found.weight_gradients, expected.weight_gradients, 1e-13)


@pytest.mark.parametrize("compile", [False, True])
def test_buffers_of_another_batch_are_not_shared(compile):
    """They would be too small."""
    net = mixed(4)
    small = BackpropagationBuffers(net, 2)
    with pytest.raises(
        ValueError, match=r"found sharing buffers of .* batch 2; expected .* batch 200"
    ):
        BackpropagationBuffers(net, 200, sharing=small, compile=compile)


def test_only_what_is_compiled_is_called_so():
    """An output layer is stored column by column, which no loop takes."""
    net = MLP((2, 3, 3, 4), ReLU(), Glorot(), runs=3, output_activation=Sigmoid())
    assert not BackpropagationBuffers(net, 5, compile=True).compiled


def test_views_of_one_buffer_may_have_gaps():
    """Bias gradients with a stride, of one network."""
    net = mixed(2)
    spread = [torch.zeros(2 * len(b), dtype=F64)[::2] for b in net.biases]
    buffers = BackpropagationBuffers(net, 5, bias_gradients=spread)
    x, t = torch.randn(5, 4, dtype=F64), torch.randn(5, 3, dtype=F64)
    backpropagate(net, x, t, HalfSquaredError(), buffers=buffers)
    assert close(spread, backpropagate(net, x, t, HalfSquaredError()).bias_gradients, 1e-14)
