"""The optimisers over the run axis against torch.optim, one torch optimiser a run."""

import math

import pytest
import torch

from experiments.core.errors import CheckpointError, ConfigurationError
from experiments.training.optimizers import SGD, Adam, AdamW, ParameterBlocks

STEPS = 50
SHAPES = [(3, 2), (3,), (4, 3), (4,)]
RUNS = 3

SAME = [
    pytest.param(ours, torchs, options, id=f"{ours.__name__}-{'-'.join(options) or 'plain'}")
    for ours, torchs, options in (
        (SGD, torch.optim.SGD, {}),
        (SGD, torch.optim.SGD, {"momentum": 0.9}),
        (SGD, torch.optim.SGD, {"momentum": 0.9, "dampening": 0.3}),
        (SGD, torch.optim.SGD, {"weight_decay": 0.1}),
        (SGD, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
        (SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (SGD, torch.optim.SGD, {"momentum": 0.5, "dampening": 0.5, "weight_decay": 0.1}),
        (Adam, torch.optim.Adam, {}),
        (Adam, torch.optim.Adam, {"betas": (0.5, 0.9), "eps": 1e-3}),
        (Adam, torch.optim.Adam, {"weight_decay": 0.1}),
        (AdamW, torch.optim.AdamW, {}),
        (AdamW, torch.optim.AdamW, {"weight_decay": 0.5, "betas": (0.0, 0.99)}),
    )
]


def draw(dtype: torch.dtype, runs: int = RUNS) -> list[torch.Tensor]:
    """Parameters (R, ...) of a small network."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(runs, *shape, dtype=dtype, generator=generator) for shape in SHAPES]


def gradients_of(parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    """A gradient that depends on the parameters, of C = sum cos(theta) + theta^2/8."""
    return [-torch.sin(p) + p / 4 for p in parameters]


def trajectory(optimizer, parameters, steps=STEPS):
    """The parameters after some steps, changed in place."""
    for _ in range(steps):
        optimizer.step(parameters, gradients_of(parameters))
    return parameters


def torch_trajectory(kind, options, start, steps=STEPS):
    """The same with torch.optim on independent leaves."""
    leaves = [p.clone().requires_grad_() for p in start]
    optimizer = kind(leaves, **options)
    for _ in range(steps):
        for leaf, gradient in zip(leaves, gradients_of([p.detach() for p in leaves]), strict=True):
            leaf.grad = gradient
        optimizer.step()
    return [leaf.detach() for leaf in leaves]


@pytest.mark.parametrize(("ours", "torchs", "options"), SAME)
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        # rounding is amplified by 50 steps on a curved cost; both follow the same real sequence
        pytest.param(torch.float64, 1e-14, id="float64"),
        pytest.param(torch.float32, 5e-6, id="float32"),
    ],
)
def test_every_run_follows_torch(ours, torchs, options, dtype, tolerance) -> None:
    """Each run of a stack takes the steps of a torch.optim optimiser that sees this run alone."""
    start = draw(dtype)
    rates = [0.03, 0.01, 0.002]
    got = trajectory(ours(lr=rates, **options), [p.clone() for p in start])
    for r, lr in enumerate(rates):
        wanted = torch_trajectory(torchs, {"lr": lr, **options}, [p[r] for p in start])
        for g, w in zip(got, wanted, strict=True):
            torch.testing.assert_close(g[r], w, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("ours", "torchs", "options"), SAME)
def test_a_shared_number_is_that_number_for_every_run(ours, torchs, options) -> None:
    """One float and R equal floats give the same trajectory to the last bit."""
    one = trajectory(ours(lr=0.01, **options), draw(torch.float64))
    many = trajectory(ours(lr=[0.01] * RUNS, **options), draw(torch.float64))
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))


def test_every_hyperparameter_may_differ_by_run() -> None:
    """A run's own momentum, decay and betas are used, as if it were alone."""
    momenta, decays = [0.0, 0.5, 0.9], [0.1, 0.0, 0.2]
    start = draw(torch.float64)
    optimizer = SGD(lr=0.01, momentum=momenta, weight_decay=torch.tensor(decays))
    got = trajectory(optimizer, [p.clone() for p in start])
    betas = torch.tensor([[0.9, 0.999], [0.5, 0.9], [0.0, 0.99]], dtype=torch.float64)
    adam = trajectory(Adam(lr=0.01, betas=betas), [p.clone() for p in start])
    for r in range(RUNS):
        alone = [p[r] for p in start]
        # decays came as float32, the way a careless caller writes them
        options = {"lr": 0.01, "momentum": momenta[r], "weight_decay": decays[r]}
        wanted = torch_trajectory(torch.optim.SGD, options, alone)
        options = {"lr": 0.01, "betas": tuple(betas[r].tolist())}
        wanted_adam = torch_trajectory(torch.optim.Adam, options, alone)
        for g, w in zip(got, wanted, strict=True):
            torch.testing.assert_close(g[r], w, rtol=1e-6, atol=1e-6)
        for g, w in zip(adam, wanted_adam, strict=True):
            torch.testing.assert_close(g[r], w, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("ours", "torchs", "options"), SAME)
def test_blocks_and_layers_take_the_same_steps(ours, torchs, options) -> None:
    """The storage is invisible: blocks of equal shapes give what single layers give."""
    layers = [*draw(torch.float64), *draw(torch.float64)]
    home = ParameterBlocks(layers)
    optimizer = ours(lr=[0.03, 0.01, 0.002], **options)
    for _ in range(5):
        optimizer.step(home.blocks, gradients_of(home.blocks))
    wanted = trajectory(ours(lr=[0.03, 0.01, 0.002], **options), layers, steps=5)
    assert len(home.blocks) == len(SHAPES)
    for got, want in zip(home.layers, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("ours", "torchs", "options"), SAME)
def test_leaving_runs_do_not_touch_their_neighbours(ours, torchs, options) -> None:
    """Runs that stay after a selection continue exactly as they would have without it."""
    rates = [0.03, 0.01, 0.002]
    whole = trajectory(ours(lr=rates, **options), draw(torch.float64))
    optimizer, kept = ours(lr=rates, **options), torch.tensor([2, 0])
    half = trajectory(optimizer, draw(torch.float64), steps=STEPS // 2)
    optimizer.select(kept)
    rest = trajectory(optimizer, [p[kept] for p in half], steps=STEPS - STEPS // 2)
    for got, want in zip(rest, whole, strict=True):
        torch.testing.assert_close(got, want[kept], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("ours", "torchs", "options"), SAME)
def test_a_continued_run_is_the_uninterrupted_run(ours, torchs, options) -> None:
    """state_dict and load_state_dict lose nothing, and the copy does not follow the original."""
    whole = trajectory(ours(lr=0.01, **options), draw(torch.float64))
    first = ours(lr=0.01, **options)
    half = trajectory(first, draw(torch.float64), steps=STEPS // 2)
    state, half = first.state_dict(), [p.clone() for p in half]
    trajectory(first, [p.clone() for p in half], steps=3)
    second = ours(lr=123.0, **options)
    second.load_state_dict(state)
    rest = trajectory(second, half, steps=STEPS - STEPS // 2)
    assert all(torch.equal(a, b) for a, b in zip(rest, whole, strict=True))


def test_a_rate_of_zero_freezes_a_run() -> None:
    """lr = 0 leaves its run where it is, in every optimiser, and trains the others."""
    for kind in (SGD, Adam, AdamW):
        start = draw(torch.float32)
        got = trajectory(kind(lr=[0.0, 0.1, 0.0]), [p.clone() for p in start], steps=3)
        for g, s in zip(got, start, strict=True):
            assert torch.equal(g[::2], s[::2])
            assert not torch.equal(g[1], s[1])


def test_a_diverged_run_stays_alone() -> None:
    """NaN and infinity in one run's gradient reach no other run."""
    for kind, options in ((SGD, {"momentum": 0.9}), (Adam, {}), (AdamW, {})):
        parameters, others = draw(torch.float32), torch.tensor([0, 2])
        wanted = trajectory(kind(lr=0.1, **options), draw(torch.float32), steps=4)
        optimizer = kind(lr=0.1, **options)
        for _ in range(4):
            gradients = gradients_of(parameters)
            for k, gradient in enumerate(gradients):
                gradient[1] = (math.nan, math.inf)[k % 2]
            optimizer.step(parameters, gradients)
        for p, w in zip(parameters, wanted, strict=True):
            assert torch.equal(p[others], w[others])
            assert not p[1].isfinite().any()


def test_gradients_and_the_graph_are_left_alone() -> None:
    """A step changes no gradient and works on leaves that require one."""
    parameters = [torch.nn.Parameter(p) for p in draw(torch.float32)]
    gradients = [p.detach() for p in gradients_of(parameters)]
    before = [g.clone() for g in gradients]
    SGD(lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True).step(parameters, gradients)
    assert all(torch.equal(g, b) for g, b in zip(gradients, before, strict=True))
    assert all(p.requires_grad and p.is_leaf for p in parameters)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: SGD(lr=math.nan), "lr"),
        (lambda: SGD(lr=-0.1), "lr"),
        (lambda: SGD(lr=math.inf), "lr"),
        (lambda: SGD(lr=[0.1, -0.1]), "lr"),
        (lambda: SGD(lr=0.1, momentum=1.0), "momentum"),
        (lambda: SGD(lr=0.1, momentum=-0.1), "momentum"),
        (lambda: SGD(lr=0.1, dampening=1.0), "dampening"),
        (lambda: SGD(lr=0.1, weight_decay=-1.0), "weight_decay"),
        (lambda: SGD(lr=0.1, nesterov=True), "momentum"),
        (lambda: SGD(lr=0.1, momentum=0.9, dampening=0.1, nesterov=True), "dampening"),
        (lambda: Adam(lr=-1.0), "lr"),
        (lambda: Adam(lr=0.1, betas=(1.0, 0.9)), r"found betas\[0\]=1"),
        (lambda: Adam(lr=0.1, betas=(0.9, math.nan)), r"found betas\[1\]=nan"),
        (lambda: Adam(lr=0.1, betas=(0.9,)), "betas"),
        (lambda: Adam(lr=0.1, betas=torch.tensor(0.9)), "betas"),
        (lambda: Adam(lr=0.1, eps=-1e-8), "eps"),
        (lambda: AdamW(lr=0.1, weight_decay=math.inf), "weight_decay"),
    ],
)
def test_bad_numbers_are_refused_at_once(make, named) -> None:
    """A number outside its range raises at construction and names itself."""
    with pytest.raises(ConfigurationError, match=named) as refused:
        make()
    assert ("0 freezes a run" in str(refused.value)) == (named == "lr")


def test_rates_must_match_the_runs() -> None:
    """Two rates for three runs are refused, and so are R rates for a parameter without runs."""
    for parameters in (draw(torch.float32), [torch.zeros(())]):
        with pytest.raises(ConfigurationError, match="one for each run"):
            SGD(lr=[0.1, 0.2]).step(parameters, parameters)
        with pytest.raises(
            ConfigurationError, match=r"found betas\[1\] of shape \(2,\).*give betas"
        ):
            Adam(lr=0.1, betas=(0.9, [0.9, 0.99])).step(parameters, parameters)


def test_a_foreign_state_is_refused() -> None:
    """The memory of another optimiser, or of another network, is a CheckpointError."""
    written = Adam(lr=0.1)
    trajectory(written, draw(torch.float32), steps=1)
    with pytest.raises(CheckpointError, match="SGD"):
        SGD(lr=0.1).load_state_dict(written.state_dict())
    other = Adam(lr=0.1)
    other.load_state_dict(written.state_dict())
    with pytest.raises(CheckpointError, match="shapes"):
        other.step([torch.zeros(RUNS, 7)], [torch.zeros(RUNS, 7)])


def test_the_home_keeps_values_and_order() -> None:
    """ParameterBlocks copies, shares memory between its two views, and selects runs."""
    layers = [*draw(torch.float32), *draw(torch.float32)]
    home = ParameterBlocks(layers)
    assert all(torch.equal(a, b) for a, b in zip(home.layers, layers, strict=True))
    assert all(layer.is_contiguous() for layer in home.layers)
    for block in home.blocks:
        block.zero_()
    assert not any(layer.any() for layer in home.layers)
    assert all(layer.any() for layer in layers)
    kept = ParameterBlocks(layers).select(torch.tensor([2, 0]))
    assert all(torch.equal(a, b[[2, 0]]) for a, b in zip(kept.layers, layers, strict=True))
    zeros = kept.like()
    assert [z.shape for z in zeros.layers] == [k.shape for k in kept.layers]
    assert not any(z.any() for z in zeros.layers)
