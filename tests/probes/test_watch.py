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


def hooks_of(model: nn.Module) -> int:
    """How many hooks the parameters have."""
    return sum(len(p._post_accumulate_grad_hooks or ()) for p in model.parameters())


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


def test_weights_that_are_computed_are_refused(batch: tuple[Tensor, Tensor]) -> None:
    """Their update is unknown."""
    model = nn.Sequential(weight_norm(nn.Linear(INPUTS, CLASSES).double()))
    with pytest.raises(ConfigurationError, match="no parameter of the model"):
        watched(model, *batch)


@pytest.mark.filterwarnings("ignore:.*script_method")
def test_compiled_models_are_refused() -> None:
    """Torch does not show what a compiled model computes."""
    with pytest.raises(ConfigurationError, match=r"before torch\.compile"):
        Watch(torch.compile(nn.Linear(2, 2)))  # type: ignore[arg-type]


def test_intervals_below_1_are_refused() -> None:
    """Before anything is trained."""
    with pytest.raises(ConfigurationError, match="every=0"):
        Watch(nn.Linear(2, 2), every=0)
