"""What every loss must do, asked of every room, link and form of target.

Rooms are discovered from the package folder. The oracle is tests/oracles/losses.py: textbook costs in
mpmath, differentiated numerically.
"""

import functools
import gc
import importlib
import inspect
import itertools
import pathlib
import pkgutil
import subprocess
import sys
import weakref

import pytest
import torch
from tests.oracles import losses as oracle
from torch.autograd import gradcheck, gradgradcheck
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

import experiments.losses
from experiments.core.errors import ConfigurationError
from experiments.core.loss import Loss
from experiments.losses import LabelSmoothedCrossEntropy

CLASSES, BATCH = 4, 5
ROOMS = {name: importlib.import_module(f"experiments.losses.{name}")
         for _, name, _ in pkgutil.iter_modules(experiments.losses.__path__)}  # fmt: skip
LOSSES = [
    cls
    for module in ROOMS.values()
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Loss) and cls.__module__ == module.__name__
]
CASES = [cls(link=link) for cls in LOSSES for link in cls.links]
every_loss = pytest.mark.parametrize("loss", CASES, ids=repr)
float64 = pytest.mark.usefixtures("float64")


def options(loss):
    """The constructor's arguments besides the link, as the oracle wants them."""
    names = [name for name in inspect.signature(type(loss)).parameters if name != "link"]
    return {name: getattr(loss, name) for name in names}


def one_hot(t, n=CLASSES):
    """Rows of the identity."""
    return torch.eye(n)[t]


def indices(*shape):
    """Random class indices."""
    return torch.randint(CLASSES, shape)


def values(loss, *shape):
    """Random targets of the kind that the loss accepts."""
    match loss.target_kind:
        case "value":
            return torch.randn(*shape, CLASSES)
        case "share":
            return torch.rand(*shape, CLASSES)
        case "distribution":
            return torch.softmax(torch.randn(*shape, CLASSES), -1)
        case "class":
            return one_hot(indices(*shape))


def both_targets(loss, *shape):
    """A class and a row of values for every example."""
    return [indices(*shape), values(loss, *shape)]


def asked(function, loss, z, t, **more):
    """The oracle's answer for every row."""
    rows = t if t.is_floating_point() else one_hot(t, z.shape[-1])
    return [
        function(type(loss).__name__, loss.link, zd, td, **more, **options(loss))
        for zd, td in zip(z.double().tolist(), rows.double().tolist(), strict=True)
    ]


def expected(loss, z, t, digits=oracle.DIGITS):
    """Cost and delta of every row, from the oracle."""
    cost, delta = zip(*asked(oracle.slopes, loss, z, t, digits=digits), strict=True)
    return torch.tensor(cost, dtype=torch.float64), torch.tensor(delta, dtype=torch.float64)


def test_every_room_holds_one_final_exported_loss():
    """One room, one loss, named alike, exported in order, and final."""
    names = [cls.__name__ for cls in LOSSES]
    assert sorted(n.lower() for n in names) == sorted(room.replace("_", "") for room in ROOMS)
    assert sorted(names) == experiments.losses.__all__
    assert all(cls.__final__ for cls in LOSSES)


@float64
@every_loss
def test_cost_delta_and_hessian_are_the_oracles(loss):
    """In float64 all three formulas agree with the differentiated textbook cost."""
    z = 2 * torch.randn(2, CLASSES)
    for t in both_targets(loss, 2):
        cost, delta = expected(loss, z, t)
        curvature = torch.tensor(asked(oracle.hessian, loss, z, t))
        torch.testing.assert_close(loss.per_example(z, t), cost, rtol=1e-13, atol=1e-15)
        torch.testing.assert_close(loss.delta(z, t), delta, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(loss.hessian(z, t), curvature, rtol=1e-12, atol=1e-14)


@float64
@every_loss
@pytest.mark.parametrize("runs", [(), (3,)], ids=["one run", "three runs"])
def test_delta_is_the_gradient_of_the_mean_times_the_batch_size(loss, runs):
    """forward is the mean over the batch, and autograd hands out delta / batch."""
    z = torch.randn(*runs, BATCH, CLASSES, requires_grad=True)
    for t in both_targets(loss, *runs, BATCH):
        total = loss(z, t)
        assert total.shape == runs
        torch.testing.assert_close(total, loss.per_example(z, t).mean(-1), rtol=0, atol=0)
        (gradient,) = torch.autograd.grad(total.sum(), z)
        torch.testing.assert_close(gradient, loss.delta(z, t) / BATCH, rtol=1e-12, atol=1e-15)


@float64
@every_loss
@pytest.mark.parametrize("form", ["class", "values"])
def test_autograd_agrees_with_finite_differences(loss, form):
    """First and second order, reverse and forward mode, one gradient or a batch of them."""
    z = torch.randn(2, 1, CLASSES, requires_grad=True)
    t = indices(2, 1) if form == "class" else values(loss, 2, 1)

    def per_example(outputs):
        return loss.per_example(outputs, t)

    assert gradcheck(
        per_example,
        z,
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
    )
    assert gradgradcheck(per_example, z, check_fwd_over_rev=True, fast_mode=True)
    assert gradcheck(lambda outputs: loss.delta(outputs, t), z, check_forward_ad=True)


@float64
@every_loss
def test_functional_transforms(loss):
    """torch.func's grad, jvp, vmap and four ways to the Hessian give the hand-written numbers."""
    z, v = torch.randn(2, BATCH, CLASSES)
    for t in both_targets(loss, BATCH):
        delta = loss.delta(z, t) / BATCH
        torch.testing.assert_close(grad(loss)(z, t), delta)
        _, along = jvp(functools.partial(loss, t=t), (z,), (v,))
        torch.testing.assert_close(along, (delta * v).sum())
        stack = torch.stack([z, v])
        torch.testing.assert_close(
            vmap(grad(loss), (0, None))(stack, t), loss.delta(stack, t) / BATCH
        )
        twice = torch.stack([t, t])
        torch.testing.assert_close(vmap(loss, (None, 0))(z, twice), loss(z.expand(2, -1, -1), t))
        torch.testing.assert_close(
            vmap(loss.delta, (None, 0))(z, twice)[1], loss.delta(z, t), rtol=0, atol=0
        )
        blocks = loss.hessian(z, t) / BATCH
        whole = torch.einsum("dkj,de->dkej", blocks, torch.eye(BATCH))
        for second in (
            hessian(loss),
            jacrev(jacrev(loss)),
            jacfwd(jacfwd(loss)),
            jacrev(jacfwd(loss)),
        ):
            torch.testing.assert_close(second(z, t), whole)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_stacked_run_gives_the_numbers_of_the_run_alone(loss, dtype):
    """With shared targets and with one set of targets a run, to the rounding of one exponential.

    Not to the bit: torch's vectorised exp and its scalar one, used for the last few elements of a
    tensor, differ in the last digit, so even an element's place in memory shows there.
    """
    z = 3 * torch.randn(3, BATCH, CLASSES, dtype=dtype)
    close = {"rtol": 16 * torch.finfo(dtype).eps, "atol": 4 * torch.finfo(dtype).eps}
    for t in [*both_targets(loss, BATCH), *both_targets(loss, 3, BATCH)]:
        shared = t.ndim == (2 if t.is_floating_point() else 1)
        cost, delta = loss.per_example_and_delta(z, t)
        for r in range(3):
            own = t if shared else t[r]
            torch.testing.assert_close(cost[r], loss.per_example(z[r], own), **close)
            torch.testing.assert_close(delta[r], loss.delta(z[r], own), **close)
            torch.testing.assert_close(loss(z, t)[r], loss(z[r], own), **close)


@every_loss
def test_forms_of_target_agree(loss):
    """Indices of any integer dtype, one-hot rows of floats or integers: the same cost and delta."""
    z, t = 2 * torch.randn(BATCH, CLASSES), indices(BATCH)
    cost, delta = loss.per_example_and_delta(z, t)
    indices_of = [t.to(kind) for kind in (torch.int32, torch.uint8, torch.uint16)]
    for same in (*indices_of, one_hot(t), one_hot(t).double(), one_hot(t).long()):
        torch.testing.assert_close(loss.per_example(z, same), cost, rtol=1e-6, atol=0)
        torch.testing.assert_close(loss.delta(z, same), delta, rtol=1e-6, atol=0)
        assert torch.equal(loss.correct(z, same), z.argmax(-1) == t)


@every_loss
def test_sharing_work_changes_no_bit(loss):
    """per_example_and_delta is per_example and delta, without a graph."""
    z = torch.randn(BATCH, CLASSES, requires_grad=True)
    for t in both_targets(loss, BATCH):
        cost, delta = loss.per_example_and_delta(z, t)
        assert torch.equal(cost, loss.per_example(z, t))
        assert torch.equal(delta, loss.delta(z, t))
        assert not cost.requires_grad
        assert not delta.requires_grad


@every_loss
def test_float32_keeps_its_digits_in_the_tails(loss):
    """Right or wrong with any confidence: delta has a relative error below 2e-5.

    The bound is the rounding of the exponent: z near 80 is only known to 4e-6 in float32. The points
    have no ties, since a squared error on a softmax has a delta that crosses zero there.
    """
    sizes = (1e-4, 5.0, 15.0, 40.0)
    steps = ((1.0, -1.0, 0.4), (0.9, -0.9), (0.8, -0.8))
    points = [[s * step for step in row] for s in sizes for row in itertools.product(*steps)]
    z = torch.tensor([[*row, 0.05] for row in points])
    tiny = torch.finfo(torch.float32).tiny
    for y in range(2):
        t = torch.full((len(points),), y)
        cost, delta = expected(loss, z, t)
        for found, wanted in zip(loss.per_example_and_delta(z, t), (cost, delta), strict=True):
            normal = wanted.abs() >= tiny
            error = ((found.double() - wanted).abs() / wanted.abs())[normal]
            assert error.max() < 2e-5, f"{loss}: {error.max():.2e}"
            assert (found[~normal].abs() <= 2 * tiny).all()


@pytest.mark.parametrize("smoothing", [1e-2, 1e-4, 1e-6])
def test_a_little_smoothing_keeps_its_digits_where_the_answer_is_right(smoothing):
    """There delta is what is left, s (1 - 1/n_L): right in float32 too, though 1 - t'_y is not."""
    loss, z = LabelSmoothedCrossEntropy(smoothing), torch.tensor([[40.0, 0.0, -5.0, 1.0]])
    _, delta = expected(loss, z, torch.tensor([0]))
    torch.testing.assert_close(loss.delta(z, torch.tensor([0])).double(), delta, rtol=1e-6, atol=0)


@every_loss
def test_enormous_logits_are_finite_and_right(loss):
    """At logits of +-1e3 in float32, cost and delta are the oracle's, and so stay at +-1e4.

    A bounded link is at its limit by then: from 1e3 to 1e4 delta does not move, the double backward
    is finite, and the cost is as large as before or ten times larger.
    """
    z = torch.tensor([[1e3, -1e3, 0.0]])
    for y in range(3):
        t = torch.tensor([y])
        cost, delta = expected(loss, z, t, digits=2700)
        torch.testing.assert_close(loss.per_example(z, t).double(), cost, rtol=1e-6, atol=1e-38)
        torch.testing.assert_close(loss.delta(z, t).double(), delta, rtol=1e-6, atol=1e-38)
        far = (10 * z).requires_grad_()
        (gradient,) = torch.autograd.grad(loss.per_example(far, t).sum(), far, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), far)
        assert second.isfinite().all()
        if loss.link != "identity":
            torch.testing.assert_close(gradient.double(), delta, rtol=1e-6, atol=1e-38)
            growth = (loss.per_example(far, t) / loss.per_example(z, t)).item()
            assert any(abs(growth - ratio) < 1e-2 for ratio in (1, 10)) or cost.item() < 1e-38


@every_loss
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_non_finite_logits_do_not_crash_and_nan_stays_nan(loss, bad):
    """An infinite logit gives some number or NaN, a NaN gives NaN and is never classified rightly."""
    z = torch.zeros(2, CLASSES)
    z[0, 1] = bad
    for t in (torch.tensor([1, 1]), torch.tensor([2, 2]), one_hot(torch.tensor([1, 2]))):
        cost, delta = loss.per_example_and_delta(z, t)
        assert cost[1].isfinite()
        assert delta[1].isfinite().all()
        if bad != bad:
            assert cost[0].isnan()
            assert delta[0, 1].isnan()
            assert not loss.correct(z, t)[0]


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_in_single(loss, dtype):
    """The cost comes back in float32, delta and the gradient in the outputs' dtype."""
    z = torch.randn(BATCH, CLASSES).to(dtype).requires_grad_()
    t = indices(BATCH)
    cost, delta = loss.per_example(z, t), loss.delta(z, t)
    assert torch.equal(cost, loss.per_example(z.float(), t))
    assert torch.equal(delta, loss.delta(z.float(), t).to(dtype))
    cost.sum().backward()
    assert torch.equal(z.grad, delta.detach())


@every_loss
def test_awkward_shapes(loss):
    """Empty batches, non-contiguous outputs, expanded outputs.

    Equal but for the rounding of torch's exponentials, which depends on a number's place in memory.
    """
    t = indices(BATCH)
    assert loss.per_example(torch.zeros(0, CLASSES), t[:0]).shape == (0,)
    assert loss.delta(torch.zeros(2, 0, CLASSES), t[:0]).shape == (2, 0, CLASSES)
    z = torch.randn(CLASSES, BATCH)
    torch.testing.assert_close(loss.delta(z.T, t), loss.delta(z.T.contiguous(), t))
    row = torch.randn(CLASSES)
    wide = loss.delta(row.expand(BATCH, CLASSES), t)
    torch.testing.assert_close(wide, loss.delta(row.repeat(BATCH, 1), t))


@every_loss
def test_costs_of_classes_lie_within_the_declared_bounds_and_come_near_them(loss):
    """The bounds are infimum and supremum: no sample is outside, and some sample comes close."""
    low, high = loss.bounds(CLASSES)
    z = torch.cat([s * torch.randn(2000, CLASSES) for s in (1.0, 30.0)]).double()
    z = torch.cat([z, 60 * torch.eye(CLASSES).double(), -60 + 120 * torch.eye(CLASSES).double()])
    z = torch.cat([z, torch.eye(CLASSES).double(), 60 - 120 * torch.eye(CLASSES).double()])
    led = torch.linspace(0, 10, 2001, dtype=torch.float64)[:, None] * torch.eye(CLASSES)[0].double()
    cost = loss.per_example(torch.cat([z, led]), torch.zeros(len(z) + len(led), dtype=torch.long))
    assert cost.min() >= low - 1e-12
    assert cost.max() <= high + 1e-12
    assert cost.min() < low + 1e-4
    assert cost.max() > (high - 1e-4 if high < float("inf") else 50)


@every_loss
def test_permuting_examples_permutes_rows(loss):
    """No example sees another."""
    z, order = torch.randn(BATCH, CLASSES), torch.randperm(BATCH)
    for t in both_targets(loss, BATCH):
        for found, moved in zip(
            loss.per_example_and_delta(z, t),
            loss.per_example_and_delta(z[order], t[order]),
            strict=True,
        ):
            assert torch.equal(found[order], moved)


@every_loss
def test_an_unknown_link_is_refused_at_construction(loss):
    """The message names the link and the ones that fit."""
    for link in {"identity", "sigmoid", "softmax", "probit"} - set(type(loss).links):
        with pytest.raises(ConfigurationError, match=f"found link='{link}'.*expected '"):
            type(loss)(link=link)


@every_loss
def test_nothing_is_left_behind(loss):
    """After forward, backward and double backward the outputs are freed, with no help of the collector."""
    t, kept = indices(BATCH), []
    gc.disable()
    for _ in range(5):
        z = torch.randn(BATCH, CLASSES, requires_grad=True)
        (first,) = torch.autograd.grad(loss(3 * z, t), z, create_graph=True)
        torch.autograd.grad(first.square().sum(), z)
        kept += [weakref.ref(z), weakref.ref(first)]
        del z, first
    gc.enable()
    assert [reference() for reference in kept] == [None] * 10


@pytest.mark.slow
def test_compiles_whole_with_its_own_backward():
    """torch.compile(fullgraph=True), forward and one backward, gives the hand-written numbers.

    Asked in a process without the shape checks of a test run, which the compiler cannot trace.
    """
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.losses.compiled"]
    asked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr[-2000:]
    assert asked.stdout.split() == sorted(cls.__name__ for cls in LOSSES for _ in cls.links)
