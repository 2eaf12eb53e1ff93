"""A watch on models of torch's own layers: definitions, other engines, and what it leaves behind."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
import torch
from tests.app.composing import cell, trained
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from experiments.app.build import stack_of
from experiments.core.errors import ConfigurationError
from experiments.probes import Watch, WatchedLayer
from experiments.probes.watching.pointwise import POINTWISE, pointwise

Model = TypeVar("Model", bound=nn.Module)

ROWS, INPUTS, UNITS, CLASSES = 12, 5, 7, 3


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Inputs and classes."""
    return normal(ROWS, INPUTS), torch.arange(ROWS) % CLASSES


def drawn(model: Model) -> Model:
    """The model with parameters that are the same every time."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.0, 0.4, generator)
    return model


def normal(*shape: int) -> Tensor:
    """Double-precision numbers that are the same every time."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def seeded(*layers: Callable[[], nn.Module]) -> nn.Sequential:
    """A double-precision model with the same parameters every time."""
    return drawn(nn.Sequential(*(make() for make in layers)).double())


def linear(n_prev: int, n: int, bias: bool = True) -> Callable[[], nn.Module]:
    """Makes a layer."""
    return lambda: nn.Linear(n_prev, n, bias)


def watched(model: nn.Module, x: Tensor, t: Tensor, steps: int = 1, every: int = 1) -> Watch:
    """A few steps of gradient descent."""
    watch = Watch(model, every)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        with watch.step():
            optimizer.zero_grad()
            functional.cross_entropy(model(x), t).backward()
            optimizer.step()
    return watch


def column(watch: Watch, name: str) -> list[float]:
    """One column of the ledger."""
    return watch.ledger()[name].tolist()


def names(watch: Watch) -> list[tuple[str, str]]:
    """The layers and their activations."""
    return [(layer.name, layer.activation) for layer in watch.layers]


# -- the numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "elu"])
def test_ledger_is_that_of_the_stacked_engine(activation: str) -> None:
    """All columns, while torch's optimiser and the stack take the same steps from the same weights."""
    modules = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}
    steps = 6
    one = cell(
        f"activation={activation}",
        "probe=ledger",
        "probe.every=1",
        "trainer.precision=64-true",
        "trainer.batch_size=null",
        f"trainer.max_steps={steps}",
        "optimizer=sgd",
        "optimizer.lr=0.1",
        "loss=cross_entropy",
    )
    stack = stack_of([one])
    ours, columns = trained([one])[0], stack.ledger.columns
    net, split = stack.build(), stack.dataset.load().train
    layers: list[nn.Module] = []
    for k, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        layer = nn.Linear(weight.shape[2], weight.shape[1]).double()
        layer.load_state_dict({"weight": weight[0], "bias": bias[0]})
        layers += [layer] if k == net.depth else [layer, modules[activation]()]
    watch = watched(nn.Sequential(*layers), split.x.double(), split.t, steps)
    expected, measured = ours.ledger(columns), watch.ledger()
    assert list(measured) == list(expected)
    here = expected["step"] < steps  # of the last state nobody asked the watch
    for name, values in expected.items():
        np.testing.assert_allclose(
            measured[name], values[here], rtol=1e-9, atol=1e-15, err_msg=name
        )


def test_numbers_are_their_definitions_behind_normalisation_and_in_place(
    batch: tuple[Tensor, Tensor],
) -> None:
    """Against torch.autograd.grad."""
    model = seeded(
        linear(INPUTS, UNITS),
        lambda: nn.LayerNorm(UNITS),
        lambda: nn.ReLU(inplace=True),
        linear(UNITS, CLASSES),
    )
    x, t = batch
    first, norm, _, last = model
    z = first(x)
    normalised = norm(z)
    a = normalised.relu()
    outputs = last(a)
    loss = functional.cross_entropy(outputs, t)
    parts = (z, outputs, first.weight, last.weight, first.bias, last.bias)
    deltas = torch.autograd.grad(loss, parts)
    watch = watched(model, x, t)
    assert names(watch) == [("0.weight", "relu"), ("3.weight", "identity")]
    expected = {
        "delta_norm": [deltas[0].norm(), deltas[1].norm()],
        "delta_rms": [deltas[k].square().mean().sqrt() for k in (0, 1)],
        "log10_delta_norm": [deltas[k].norm().log10() for k in (0, 1)],
        "weight_gradient_norm": [deltas[2].norm(), deltas[3].norm()],
        "bias_gradient_norm": [deltas[4].norm(), deltas[5].norm()],
        "derivative_mean": [(normalised > 0).double().mean(), 1.0],
        "saturated": [(normalised <= 0).double().mean(), 0.0],
        "dead": [(normalised <= 0).all(0).double().mean(), 0.0],
        "activation_mean": [a.mean(), outputs.mean()],
        "activation_variance": [a.var(correction=0), outputs.var(correction=0)],
        "nonfinite": [0.0, 0.0],
    }
    for name, values in expected.items():
        assert column(watch, name) == pytest.approx(
            [float(torch.as_tensor(v).detach()) for v in values], rel=1e-9
        ), name


def test_update_is_the_optimisers_whatever_it_is(batch: tuple[Tensor, Tensor]) -> None:
    """Neither clipping nor gradients that are gone at the end of the step make a difference."""
    model = seeded(linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, CLASSES))
    watch, optimizer = Watch(model, every=1), torch.optim.Adam(model.parameters(), lr=0.02)
    before = [p.detach().clone() for p in model.parameters() if p.dim() == 2]
    with watch.step():
        functional.cross_entropy(model(batch[0]), batch[1]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()
        optimizer.zero_grad()
    after = [p.detach() for p in model.parameters() if p.dim() == 2]
    ratios = [float((w - b).norm() / b.norm()) for w, b in zip(after, before, strict=True)]
    assert column(watch, "update_ratio") == pytest.approx(ratios)
    plain = watched(seeded(linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, CLASSES)), *batch)
    assert column(watch, "weight_gradient_norm") == column(plain, "weight_gradient_norm")


def test_accumulated_batches_are_one_step(batch: tuple[Tensor, Tensor]) -> None:
    """Two backward passes before an update give the record of one."""
    x, t = batch
    make = (linear(INPUTS, UNITS), nn.Sigmoid, linear(UNITS, CLASSES))
    whole, model = watched(seeded(*make), x, t), seeded(*make)
    watch, optimizer = Watch(model, every=1), torch.optim.SGD(model.parameters(), lr=0.1)
    with watch.step():
        for half in (slice(None, None, 2), slice(1, None, 2)):
            (functional.cross_entropy(model(x[half]), t[half]) / 2).backward()
        optimizer.step()
    for name, values in whole.ledger().items():
        np.testing.assert_allclose(watch.ledger()[name], values, rtol=1e-9, err_msg=name)


def test_scaled_losses_give_the_same_gradients(batch: tuple[Tensor, Tensor]) -> None:
    """As under a GradScaler; no update was made, so its ratio is 0."""
    model = seeded(linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, CLASSES))
    watch = Watch(model, every=1)
    with watch.step(scale=1024.0):
        (1024 * functional.cross_entropy(model(batch[0]), batch[1])).backward()
    plain = watched(seeded(linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, CLASSES)), *batch)
    for name in ("delta_norm", "weight_gradient_norm", "bias_gradient_norm"):
        assert column(watch, name) == pytest.approx(column(plain, name))
    assert column(watch, "update_ratio") == [0.0, 0.0]  # no optimiser's step was taken


def test_logarithm_of_a_gradient_that_is_0_as_a_float_is_unknown() -> None:
    """It is not minus infinity."""
    model = seeded(
        *(f for _ in range(60) for f in (linear(2, 2), nn.Sigmoid)), linear(2, 2)
    ).float()
    watch = watched(model, torch.ones(4, 2), torch.zeros(4, dtype=torch.long))
    norms = np.array(column(watch, "delta_norm"))
    assert norms[0] == 0 < norms[-1]
    assert np.array_equal(np.isnan(column(watch, "log10_delta_norm")), norms == 0)
    assert column(watch, "exact_zero")[0] == 1.0


def test_scaled_gradients_are_not_lost_in_half_precision() -> None:
    """Unscaled, they are below half precision's smallest number."""
    norms = []
    for dtype, scale in ((torch.float16, 2.0**20), (torch.float64, 1.0)):
        model = seeded(linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, CLASSES)).to(dtype)
        watch = Watch(model, every=1)
        with watch.step(scale=scale):
            (model(normal(ROWS, INPUTS).to(dtype)).mean() * (scale * 1e-9)).backward()
        norms.append(column(watch, "delta_norm") + column(watch, "weight_gradient_norm"))
    assert norms[0] == pytest.approx(norms[1], rel=0.01)
    assert max(norms[1]) < 2.0**-24


def test_gradient_of_a_penalty_is_no_gradient_of_the_cost() -> None:
    """Calls of torch.autograd.grad in the step do not count, but what backward makes of them does."""
    model = seeded(linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, 1))
    x = normal(ROWS, INPUTS).requires_grad_()

    def cost(output: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(output.sum(), x, create_graph=True)
        return output.mean() + (slope.norm(dim=1) - 1).square().mean()

    z = model[0](x)
    output = model[1:](z)
    deltas = torch.autograd.grad(cost(output), (z, output))
    watch = Watch(model, every=1)
    with watch.step():
        cost(model(x)).backward()
    assert column(watch, "delta_norm") == pytest.approx([float(d.norm()) for d in deltas])


def test_gradients_are_those_of_the_step_alone(batch: tuple[Tensor, Tensor]) -> None:
    """Neither what was there before nor a zero_grad between two backward passes makes a difference."""
    x, t = batch
    make = (linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, CLASSES))
    whole, model = watched(seeded(*make), x, t), seeded(*make)
    model(x).sum().backward()
    watch = Watch(model, every=1)
    with watch.step():
        for half in (slice(None, None, 2), slice(1, None, 2)):
            (functional.cross_entropy(model(x[half]), t[half]) / 2).backward()
            model.zero_grad()
    for name in ("delta_norm", "weight_gradient_norm", "bias_gradient_norm"):
        assert column(watch, name) == pytest.approx(column(whole, name))


# -- what is seen ----------------------------------------------------------------------------------


def forms() -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    """Every pointwise function under the names that torch has for it."""
    public = {"special_expit": "expit", "log_sigmoid": "logsigmoid"}
    for name in (public.get(name, name) for name in sorted(POINTWISE)):
        settings = {"threshold": (0.1, 20.0)}.get(name, ())
        for place in (functional, torch, torch.Tensor, torch.special):
            for form in (name, f"{name}_"):
                if hasattr(place, form):
                    bound = partial(_applied, getattr(place, form), settings)
                    yield f"{place.__name__.rsplit('.', 1)[-1]}.{form}", bound


def _applied(function: Callable[..., Tensor], settings: tuple[float, ...], z: Tensor) -> Tensor:
    return function(z, *settings)


class Functional(nn.Module):
    """A model whose activation is no module."""

    def __init__(self, sigma: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.sigma = sigma
        self.first, self.last = (
            nn.Linear(INPUTS, UNITS).double(),
            nn.Linear(UNITS, CLASSES).double(),
        )

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.sigma(self.first(x)))
        return outputs


@pytest.mark.parametrize("function", [pytest.param(f, id=name) for name, f in forms()])
def test_pointwise_functions_are_recognised_with_their_derivative(
    function: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]
) -> None:
    """Functions and methods, in place or not."""
    model = Functional(function)
    z = model.first(batch[0]).detach().requires_grad_()
    (slope,) = torch.autograd.grad(function(z.clone()).sum(), z)
    watch = watched(model, *batch)
    assert watch.layers[0].activation in POINTWISE - {"special_expit"}
    assert column(watch, "derivative_mean")[0] == pytest.approx(float(slope.mean()), rel=1e-7)
    assert column(watch, "derivative_rms")[0] == pytest.approx(float(slope.square().mean().sqrt()))


@pytest.mark.parametrize(
    "function",
    [
        lambda z: torch.tanh(input=z),
        lambda z: functional.elu(input=z, alpha=2.0),
        lambda z: functional.dropout(input=functional.relu(input=z), p=0.0),
    ],
    ids=["tanh", "elu", "dropout of relu"],
)
def test_an_argument_may_be_given_by_name(
    function: Callable[[Tensor], Tensor], batch: tuple[Tensor, Tensor]
) -> None:
    """As ``input``, which is what torch calls it."""
    model = Functional(function)
    z = model.first(batch[0]).detach().requires_grad_()
    (slope,) = torch.autograd.grad(function(z).sum(), z)
    watch = watched(model, *batch)
    assert watch.layers[0].activation in ("tanh", "elu", "relu")
    assert column(watch, "derivative_mean")[0] == pytest.approx(float(slope.mean()), rel=1e-7)


@pytest.mark.parametrize(
    ("function", "largest"),
    [
        (partial(functional.elu, alpha=3.0), 3.0),
        (partial(functional.leaky_relu, negative_slope=2.0), 2.0),
        (partial(functional.leaky_relu, negative_slope=-0.5), 1.0),
        (partial(functional.gelu, approximate="tanh"), 1.1288),
        (partial(functional.softplus, beta=4.0), 1.0),
        (partial(functional.hardtanh, min_val=0.0, max_val=6.0), 1.0),
        (functional.mish, 1.0885),
        (functional.hardswish, 1.5),
    ],
)
def test_settings_of_a_function_are_its_settings(
    function: Callable[..., Tensor], largest: float
) -> None:
    """Given by name; functions that no activation of this package is, too."""
    settings = getattr(function, "keywords", {})
    sigma = pointwise(getattr(function, "func", function), (), settings)
    z = torch.linspace(-9.01, 9, 401, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(function(z).sum(), z)
    torch.testing.assert_close(sigma.derivative(z.detach()), slope, rtol=1e-7, atol=1e-9)
    assert sigma.max_derivative == pytest.approx(largest, abs=1e-3)


def test_positions_in_an_image_are_examples() -> None:
    """A channel is a unit; batch normalisation and dropout may come before the activation."""
    convolution, norm = nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5, affine=False).eval()
    flat = nn.Sequential(nn.Flatten(), nn.Linear(5 * 16, CLASSES))
    model = drawn(nn.Sequential(convolution, norm, nn.Dropout(0.0), nn.ReLU(), flat).double())
    with torch.no_grad():
        convolution.weight[1] = 0.0
        torch.as_tensor(convolution.bias)[1] = -1.0
    images = normal(4, 2, 6, 6)
    maps = model[:4](images).detach()
    watch = watched(model, images, torch.arange(4) % CLASSES)
    assert names(watch) == [("0.weight", "relu"), ("4.1.weight", "identity")]
    assert column(watch, "dead")[0] == pytest.approx(1 / 5)
    assert column(watch, "activation_mean")[0] == pytest.approx(float(maps.mean()))


def test_positions_in_a_sequence_are_examples() -> None:
    """Three axes, the last of which counts units."""
    model = seeded(linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, CLASSES))
    tokens, watch = normal(4, 9, INPUTS), Watch(model, every=1)
    with watch.step():
        functional.cross_entropy(model(tokens).mean(1), torch.arange(4) % CLASSES).backward()
    a = model[:2](tokens).detach()
    assert column(watch, "activation_mean")[0] == pytest.approx(float(a.mean()))
    assert column(watch, "activation_variance")[0] == pytest.approx(float(a.var(correction=0)))


def test_layer_that_is_used_twice_has_both_uses() -> None:
    """Its delta has the gradients of both results."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.last = nn.Linear(UNITS, UNITS), nn.Linear(UNITS, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            self.z = [self.inner(x)]
            self.z.append(self.inner(self.z[0].tanh()))
            for z in self.z:
                z.retain_grad()
            outputs: Tensor = self.last(self.z[1].tanh())
            return outputs

    model = drawn(Twice().double())
    watch = watched(model, normal(ROWS, UNITS), torch.arange(ROWS) % CLASSES)
    assert names(watch) == [("inner.weight", "tanh"), ("last.weight", "identity")]
    both = torch.cat([torch.as_tensor(z.grad) for z in model.z])
    assert column(watch, "delta_norm")[0] == pytest.approx(float(both.norm()))


def test_uses_with_different_activations_have_their_own() -> None:
    """Each part of the examples has its derivative."""
    layer, x = drawn(nn.Linear(UNITS, UNITS).double()), normal(ROWS, UNITS)
    first = layer(x).detach()
    second = layer(first.relu()).detach()
    slopes = torch.cat([(first > 0).double(), second.sigmoid() * (1 - second.sigmoid())])
    watch = Watch(layer, every=1)
    with watch.step():
        layer(layer(x).relu()).sigmoid().sum().backward()
    assert names(watch) == [("weight", "relu, sigmoid")]
    assert column(watch, "derivative_mean") == pytest.approx([float(slopes.mean())])


def test_activation_may_come_behind_pooling_and_dropout_of_channels() -> None:
    """As in many classifiers of digits."""
    model = seeded(
        lambda: nn.Conv2d(1, 4, 2),
        lambda: nn.MaxPool2d(2),
        lambda: nn.Dropout2d(0.0),
        nn.Tanh,
        lambda: nn.Conv2d(4, CLASSES, 3),
        nn.Flatten,
    )
    images, t = normal(4, 1, 7, 7), torch.arange(4) % CLASSES
    a = model[:4](images).detach()
    watch = watched(model, images, t)
    assert names(watch) == [("0.weight", "tanh"), ("4.weight", "identity")]
    assert column(watch, "derivative_mean")[0] == pytest.approx(float((1 - a**2).mean()))
    assert column(watch, "activation_mean")[0] == pytest.approx(float(a.mean()))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_transposed_convolutions_are_layers(axes: int) -> None:
    """With the channels of their result as units."""
    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1]
    layer = drawn(transposed(2, 3, 2).double())
    x = normal(4, 2, *[3] * axes)
    z = layer(x).detach()
    watch = Watch(layer, every=1)
    with watch.step():
        layer(x).relu().sum().backward()
    assert names(watch) == [("weight", "relu")]
    assert column(watch, "delta_norm") == pytest.approx([float((z > 0).sum()) ** 0.5])
    alive = (z > 0).transpose(0, 1).flatten(1).any(1)
    assert column(watch, "dead") == pytest.approx([float((~alive).double().mean())])


@pytest.mark.parametrize("in_place", [True, False])
def test_function_of_a_residual_sum_is_no_activation(in_place: bool) -> None:
    """Whether or not the branch itself is changed to hold the sum."""
    layer, x = drawn(nn.Linear(UNITS, UNITS).double()), normal(ROWS, UNITS)
    watch = Watch(layer, every=1)
    with watch.step():
        branch = layer(x)
        branch = branch.add_(x) if in_place else branch + x
        branch.relu().sum().backward()
    assert names(watch) == [("weight", "identity")]


@pytest.mark.parametrize("with_gradient", [True, False])
def test_function_that_only_a_metric_needs_is_no_activation(with_gradient: bool) -> None:
    """The cost is one of the logits."""
    layer, x = drawn(nn.Linear(INPUTS, 1).double()), normal(ROWS, INPUTS)
    watch, t = Watch(layer, every=1), torch.ones(ROWS, 1, dtype=torch.float64)
    with watch.step():
        logits = layer(x)
        with torch.set_grad_enabled(with_gradient):
            logits.sigmoid().round()
        functional.binary_cross_entropy_with_logits(logits, t).backward()
    assert names(watch) == [("weight", "identity")]


def test_layers_of_other_models_are_not_seen() -> None:
    """A generator is trained through its critic; the gradient is the one that reaches it."""
    generator = seeded(linear(INPUTS, UNITS), nn.ReLU, linear(UNITS, CLASSES))
    critic = seeded(linear(CLASSES, UNITS), nn.LeakyReLU, linear(UNITS, 1))
    noise, watch = normal(ROWS, INPUTS), Watch(generator, every=1)
    made = generator(noise).detach().requires_grad_()
    (delta,) = torch.autograd.grad(-critic(made).mean(), made)
    with watch.step():
        (-critic(generator(noise)).mean()).backward()
    assert names(watch) == [("0.weight", "relu"), ("2.weight", "identity")]
    assert column(watch, "delta_norm")[1] == pytest.approx(float(delta.norm()))


def test_layers_may_be_added_and_replaced_later(batch: tuple[Tensor, Tensor]) -> None:
    """The parameters of every step are those the model has then."""
    model = seeded(linear(INPUTS, UNITS))
    watch = Watch(model, every=1)
    model.append(nn.Tanh()).append(drawn(nn.Linear(UNITS, CLASSES).double()))
    for _ in range(2):
        with watch.step():
            functional.cross_entropy(model(batch[0]), batch[1]).backward()
        model[0] = drawn(nn.Linear(INPUTS, UNITS).double())
    assert names(watch) == [("0.weight", "tanh"), ("2.weight", "identity")]
    assert np.isfinite(column(watch, "delta_norm")).all()


def test_weights_without_a_row_are_named(batch: tuple[Tensor, Tensor]) -> None:
    """Computed ones, complex ones and those of other kinds of layer."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normed = weight_norm(nn.Linear(INPUTS, UNITS).double())
            self.product = nn.Parameter(torch.ones(UNITS, UNITS, dtype=torch.float64))
            self.phase = nn.Linear(UNITS, UNITS, dtype=torch.complex128)
            self.unused = nn.LazyLinear(UNITS)
            self.last = nn.Linear(UNITS, CLASSES).double()

        def forward(self, x: Tensor) -> Tensor:
            outputs: Tensor = self.last(self.phase(self.normed(x) @ self.product + 0j).abs())
            return outputs

    watch = watched(Mixed(), *batch)
    assert names(watch) == [("last.weight", "identity")]
    computed = [f"normed.parametrizations.weight.original{k}" for k in (0, 1)]
    lazy = {"unused.weight", "unused.bias"}
    assert set(watch.unseen) == {"product", "phase.weight", *computed, *lazy}


def test_what_is_not_trained_has_no_row(batch: tuple[Tensor, Tensor]) -> None:
    """Frozen weights; a bias that is missing or frozen is NaN, and not counted as non-finite."""
    model = seeded(
        linear(INPUTS, UNITS), nn.ReLU, linear(UNITS, UNITS), nn.ReLU, linear(UNITS, CLASSES, False)
    )
    model[0].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    with torch.no_grad():
        model(batch[0])
    watch = watched(model, *batch)
    assert names(watch) == [("2.weight", "relu"), ("4.weight", "identity")]
    assert np.isnan(column(watch, "bias_gradient_norm")).all()
    assert column(watch, "nonfinite") == [0.0, 0.0]


def test_layer_that_a_step_does_not_use_has_a_row_of_nan(batch: tuple[Tensor, Tensor]) -> None:
    """Layers keep their numbers."""
    heads = nn.ModuleList([nn.Linear(INPUTS, CLASSES).double() for _ in range(2)])
    watch = Watch(heads, every=1)
    for head in (heads[0], heads[1], heads[0]):
        with watch.step():
            functional.cross_entropy(head(batch[0]), batch[1]).backward()
    norms = np.reshape(column(watch, "delta_norm"), (3, 2))
    assert np.array_equal(np.isnan(norms), [[False, True], [True, False], [False, True]])
    assert watch.layers[1] == WatchedLayer(3, "1.weight", "identity")


def test_infinities_are_counted(batch: tuple[Tensor, Tensor]) -> None:
    """A record of a diverged network is a record."""
    model = seeded(linear(INPUTS, UNITS), nn.ReLU, linear(UNITS, CLASSES))
    with torch.no_grad():
        model[0].weight[0, 0] = torch.inf
    watch = watched(model, *batch)
    assert min(column(watch, "nonfinite")) > 0


def test_half_precision_under_autocast(batch: tuple[Tensor, Tensor]) -> None:
    """To the digits that bfloat16 has."""
    x, t = batch
    model = seeded(linear(INPUTS, UNITS), nn.GELU, linear(UNITS, CLASSES)).float()
    watch = Watch(model, every=1)
    with watch.step():
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(model(x.float()), t)
        loss.backward()
    exact = watched(seeded(linear(INPUTS, UNITS), nn.GELU, linear(UNITS, CLASSES)), x, t)
    for name in ("delta_norm", "weight_gradient_norm", "derivative_rms", "activation_variance"):
        assert column(watch, name) == pytest.approx(column(exact, name), rel=0.03)


# -- what it leaves behind -------------------------------------------------------------------------


def test_model_trains_as_it_does_alone(batch: tuple[Tensor, Tensor]) -> None:
    """To the last bit, random numbers included."""
    make = (linear(INPUTS, UNITS), nn.Dropout, nn.Tanh, linear(UNITS, CLASSES))
    weights = []
    randomness = torch.get_rng_state()
    for every in (1, 3, 1000):
        torch.set_rng_state(randomness)
        model = seeded(*make)
        watched(model, *batch, steps=20, every=every)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert all(torch.equal(a, b) for a, b in pairwise(weights))


def test_schedule_counts_from_the_first_step_or_takes_the_given_number(
    batch: tuple[Tensor, Tensor],
) -> None:
    """A resumed training goes on with its own numbers."""
    model = seeded(linear(INPUTS, CLASSES))
    watch = watched(model, *batch, steps=9, every=4)
    assert [step for step, _ in watch.records] == [0, 4, 8]
    for number in (11, 12):
        with watch.step(number):
            functional.cross_entropy(model(batch[0]), batch[1]).backward()
    assert [step for step, _ in watch.records] == [0, 4, 8, 12]


def test_records_keep_their_distance_whatever_the_numbers_are(
    batch: tuple[Tensor, Tensor],
) -> None:
    """The first step is recorded, and the first one at or after every multiple of the interval."""
    model = seeded(linear(INPUTS, CLASSES))
    watch = Watch(model, every=5)
    for number in range(3, 28, 2):
        with watch.step(number):
            functional.cross_entropy(model(batch[0]), batch[1]).backward()
    assert [step for step, _ in watch.records] == [3, 5, 11, 15, 21, 25]


@pytest.mark.parametrize("skipped", ["forward", "backward", "examples"])
def test_skipped_batch_is_not_recorded_and_the_next_one_is(
    batch: tuple[Tensor, Tensor], skipped: str
) -> None:
    """Training goes on."""
    model = seeded(linear(INPUTS, UNITS), nn.ReLU, linear(UNITS, CLASSES))
    watch = Watch(model, every=2)
    for k in range(6):
        with watch.step():
            if k == 2 and skipped == "forward":
                continue
            outputs = model(batch[0][:0] if k == 2 and skipped == "examples" else batch[0])
            if k == 2 and skipped == "backward":
                continue
            outputs.sum().backward()
    assert [step for step, _ in watch.records] == [0, 3, 4]


def hooks_of(model: nn.Module) -> int:
    """How many hooks the parameters have."""
    return sum(len(p._backward_hooks or ()) for p in model.parameters())


@pytest.mark.parametrize("fails", [False, True])
def test_no_hook_stays_on_the_model(batch: tuple[Tensor, Tensor], fails: bool) -> None:
    """Nor a mode of torch, when the step fails either."""
    model = seeded(linear(INPUTS, UNITS), nn.Tanh, linear(UNITS, CLASSES))
    watch = Watch(model, every=1)

    def step() -> None:
        with watch.step():
            loss = functional.cross_entropy(model(batch[0]), batch[1])
            assert hooks_of(model) == 4
            if fails:
                raise ZeroDivisionError
            loss.backward()

    if fails:
        with pytest.raises(ZeroDivisionError):
            step()
    else:
        step()
    assert hooks_of(model) == 0
    assert len(watch.records) == (0 if fails else 1)
    assert torch.overrides._len_torch_function_stack() == 0


# -- refusals --------------------------------------------------------------------------------------


def test_step_without_a_backward_pass_is_refused(batch: tuple[Tensor, Tensor]) -> None:
    """There is nothing to record."""
    model = seeded(linear(INPUTS, CLASSES))
    watch = Watch(model)
    with (
        pytest.raises(ConfigurationError, match=r"no differentiated layer in step 0 of Sequential"),
        watch.step(),
    ):
        model(batch[0])


def test_steps_that_go_back_are_refused(batch: tuple[Tensor, Tensor]) -> None:
    """One step and layer would have two rows."""
    model = seeded(linear(INPUTS, CLASSES))
    watch = watched(model, *batch, steps=3)
    with pytest.raises(ConfigurationError, match="step 0 after step 2"), watch.step(0):
        pass


@pytest.mark.filterwarnings("ignore:.*script_method")
def test_compiled_models_are_refused() -> None:
    """Torch does not show what a compiled model computes."""
    in_place = nn.Linear(2, 2)
    in_place.compile()
    whole: nn.Module = torch.compile(nn.Linear(2, 2))  # type: ignore[assignment]
    for model in (whole, nn.Sequential(nn.Linear(2, 2), whole), nn.Sequential(in_place)):
        with pytest.raises(ConfigurationError, match=r"before torch\.compile"):
            Watch(model)


def test_intervals_below_1_are_refused() -> None:
    """Before anything is trained."""
    with pytest.raises(ConfigurationError, match="every=0"):
        Watch(nn.Linear(2, 2), every=0)
