"""Dense: the fused step against torch's own operators, in every mode of differentiation."""

import gc
import subprocess
import sys

import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

from experiments.activations import ELU, Identity, ReLU, Sigmoid, Tanh
from experiments.core.errors import ConfigurationError
from experiments.initializers import Gaussian, Glorot
from experiments.layers import Dense, LayerRecord
from experiments.layers.dense import _generators

SMOOTH = [Identity(), Sigmoid(), Tanh()]
NATIVE = {
    Identity: lambda z: z,
    Sigmoid: torch.sigmoid,
    Tanh: torch.tanh,
    ReLU: torch.relu,
    ELU: torch.nn.functional.elu,
}


def layer_of(activation, runs=None):
    """Three neurons to two, weights and biases of unit scale."""
    return Dense(3, 2, activation, Gaussian(sigma_w=1.0, sigma_b=1.0), runs=runs, seed=3)


def inputs(layer, requires_grad=True):
    """What the fused step differentiates: x, W and b."""
    x = torch.randn(4, 3, requires_grad=requires_grad)
    return x, layer.weight, layer.bias


def function(layer):
    """The layer as a function of x, W and b."""
    return lambda x, w, b: functional_call(layer, {"weight": w, "bias": b}, (x,))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("activation", [*SMOOTH, ReLU(), ELU()], ids=repr)
@pytest.mark.parametrize("runs", [None, 3])
def test_value_and_gradients_are_torchs(activation, runs):
    """Output and all three gradients equal those of a torch layer with the same numbers."""
    layer = layer_of(activation, runs)
    x, weight, bias = inputs(layer)
    weights = (torch.randn(4, 2),)
    z = x @ weight.mT + (bias if runs is None else bias.unsqueeze(1))
    expected = NATIVE[type(activation)](z)
    found = layer(x)
    torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-15)
    wanted = torch.autograd.grad((expected * weights[0]).sum(), (x, weight, bias))
    ours = torch.autograd.grad((found * weights[0]).sum(), (x, weight, bias))
    for a, b in zip(ours, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("activation", SMOOTH, ids=repr)
@pytest.mark.parametrize("runs", [None, 2])
def test_numerical_differentiation_agrees(activation, runs):
    """Gradcheck and gradgradcheck pass: reverse, forward, batched, and forward over reverse."""
    layer = layer_of(activation, runs)
    arguments = inputs(layer)
    assert torch.autograd.gradcheck(
        function(layer), arguments, check_forward_ad=True, check_batched_grad=True
    )
    assert torch.autograd.gradgradcheck(
        function(layer), arguments, check_batched_grad=True, check_fwd_over_rev=True
    )


@pytest.mark.usefixtures("float64")
def test_functional_transforms_agree():
    """jacrev equals jacfwd, hessian equals jacfwd of jacfwd, vmap of grad equals a loop."""
    layer = layer_of(Tanh())
    x = torch.randn(3)
    torch.testing.assert_close(jacrev(layer)(x), jacfwd(layer)(x))

    def energy(x):
        return layer(x).square().sum()

    twice = jacfwd(jacfwd(energy))(x)
    assert twice.abs().sum() > 0.1
    torch.testing.assert_close(hessian(energy)(x), twice)
    torch.testing.assert_close(twice, torch.autograd.functional.hessian(energy, x))
    batch = torch.randn(5, 3)
    looped = torch.stack([grad(energy)(row) for row in batch])
    torch.testing.assert_close(vmap(grad(energy))(batch), looped)
    _, forward = jvp(energy, (x,), (torch.ones(3),))
    torch.testing.assert_close(forward, grad(energy)(x).sum())


@pytest.mark.usefixtures("float64")
def test_a_stack_equals_its_runs_alone():
    """Run r of a stack draws, computes and differentiates what the layer of its seed does alone."""
    stack = Dense(3, 2, Tanh(), Glorot(), runs=3, seed=[5, 0, 9])
    x = torch.randn(3, 4, 3)
    stack(x).sum().backward()
    for r, seed in enumerate([5, 0, 9]):
        alone = Dense(3, 2, Tanh(), Glorot(), seed=seed)
        assert torch.equal(alone.weight, stack.weight[r])
        out = alone(x[r])
        torch.testing.assert_close(out, stack(x)[r], rtol=1e-15, atol=0)
        out.sum().backward()
        torch.testing.assert_close(alone.weight.grad, stack.weight.grad[r], rtol=1e-14, atol=1e-16)


@pytest.mark.usefixtures("float64")
def test_a_record_is_filled_from_inside():
    """The record holds z, a and delta = grad_a sigma'(z), with no hook on the module."""
    layer = layer_of(Sigmoid())
    x = torch.randn(4, 3)
    record = LayerRecord()
    z, a = layer.trace(x, record)
    (3.0 * a).sum().backward()
    torch.testing.assert_close(record.z, x @ layer.weight.T + layer.bias)
    torch.testing.assert_close(record.a, torch.sigmoid(z))
    torch.testing.assert_close(record.delta, 3.0 * Sigmoid().derivative(z))
    assert not layer._forward_hooks
    assert not layer._backward_hooks


def test_the_gradient_is_exact_where_torchs_is_zero():
    """At z = 20 in float32 the layer's gradient is sigma'(20) = 2.06e-9; torch's rule gives 0."""
    layer = Dense(1, 1, Sigmoid(), Gaussian())
    with torch.no_grad():
        layer.weight.fill_(1.0)
    x = torch.tensor([[20.0]], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.item() == pytest.approx(2.0611536e-9, rel=1e-6)
    native = torch.tensor([[20.0]], requires_grad=True)
    torch.sigmoid(native).sum().backward()
    assert native.grad.item() == 0.0


def test_autocast_computes_in_half_and_returns_full_gradients():
    """Under bfloat16 autocast the output is bfloat16; gradients of float32 parameters are float32."""
    layer = layer_of(Tanh())
    x = torch.randn(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        a = layer(x)
    assert a.dtype == torch.bfloat16
    a.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32
    reference = torch.autograd.grad(layer(x).sum(), layer.weight)[0]
    torch.testing.assert_close(layer.weight.grad, reference, rtol=0.05, atol=0.05)


def test_memory_is_torchs_plus_one_tensor():
    """Autograd keeps a_prev, W and z: one (batch, n) tensor more than torch's Linear + Sigmoid."""

    def kept(module):
        sizes = {}

        def pack(t):
            sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        x = torch.randn(50, 8)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            out = module(x)
        out.sum()
        return sum(sizes.values())

    ours = torch.nn.Sequential(*[Dense(8, 8, Sigmoid(), Glorot(), seed=s) for s in range(4)])
    theirs = torch.nn.Sequential(
        *[m for _ in range(4) for m in (torch.nn.Linear(8, 8), torch.nn.Sigmoid())]
    )
    assert kept(ours) <= kept(theirs) + 4 * 50 * 8 * 4


def test_nothing_is_left_behind():
    """A thousand forward and double-backward passes leave no tensor alive."""
    layer = layer_of(Tanh())

    def once():
        x = torch.randn(4, 3, requires_grad=True)
        (gradient,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
        gradient.sum().backward()
        layer.zero_grad()

    once()
    gc.collect()
    before = sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())
    for _ in range(1000):
        once()
    assert sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects()) <= before + 1


@pytest.mark.parametrize(
    ("shape", "runs"), [((4, 2), None), ((2, 4, 3), 3), ((4, 2), 3), ((3,), 3)]
)
def test_shapes_that_do_not_chain_are_refused(shape, runs):
    """A wrong last axis or a missing run axis is named, never broadcast."""
    with pytest.raises(ValueError, match=r"found an input of shape .* expected \(batch, 3\)"):
        layer_of(Identity(), runs)(torch.zeros(shape))


def test_autocast_leaves_float64_alone():
    """As in torch's own layers; float32 becomes half precision."""
    x = torch.randn(4, 3, dtype=torch.float64)
    layer = Dense(3, 2, Tanh(), Glorot()).double()
    expected = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x), expected)
        assert layer.float()(x.float()).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
def test_an_input_of_another_type_is_refused(dtype):
    """NumPy's float64 next to float32 weights is the usual case."""
    with pytest.raises(
        ValueError, match=f"an input of {dtype} on cpu; expected torch.float32 on cpu"
    ):
        Dense(3, 2, Tanh(), Glorot()).trace(torch.zeros(4, 3, dtype=dtype))


@pytest.mark.parametrize(
    "change",
    [
        {"in_features": 0},
        {"out_features": -1},
        {"out_features": 2.5},
        {"runs": 0},
        {"activation": torch.nn.Tanh()},
        {"initializer": "glorot"},
        {"seed": [1, 2]},
        {"seed": [torch.Generator()], "runs": 2},
        {"seed": [torch.Generator(), torch.Generator()]},
    ],
    ids=lambda change: "-".join(change),
)
def test_bad_arguments_are_refused_by_name(change):
    """A size below one or a room of the wrong kind says what was found and what was expected."""
    # a value of the wrong type is refused even earlier here, by the annotations that tests check
    good = {"in_features": 3, "out_features": 2, "activation": Tanh(), "initializer": Glorot()}
    with pytest.raises((ConfigurationError, TypeError), match=r"found .*expected|Type-check"):
        Dense(**good | change)


def test_a_generator_among_seeds_is_refused():
    """Half of the runs cannot come from a generator (asked inside: the annotation refuses it too)."""
    with pytest.raises(ConfigurationError, match="expected one generator for each of 2 runs"):
        _generators([torch.Generator(), 3], 2)


COMPILED = """
import torch
from experiments.activations import Tanh
from experiments.initializers import Glorot
from experiments.layers import Dense

layer, x = Dense(3, 2, Tanh(), Glorot()), torch.randn(4, 3)
torch.compile(layer, fullgraph=True)(x).sum().backward()
found = layer.weight.grad.clone()
layer.zero_grad()
layer(x).sum().backward()
torch.testing.assert_close(found, layer.weight.grad)
print("equal")
"""


@pytest.mark.slow
def test_the_compiler_takes_the_whole_layer():
    """torch.compile(fullgraph=True) gives eager's gradients; a process without the tests' hook."""
    run = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert run.stdout.strip() == "equal", run.stderr


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu():
    """The same layer gives the same output and gradient on both devices."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    layer = layer_of(Tanh(), runs=3)
    x = torch.randn(4, 3)
    expected = layer(x)
    torch.testing.assert_close(layer.cuda()(x.cuda()).cpu(), expected, rtol=1e-5, atol=1e-6)
