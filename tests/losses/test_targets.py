"""What the losses refuse, and in which words; and what counts as right."""

import inspect
import math

import numpy as np
import pytest
import torch

from experiments.core.errors import ConfigurationError
from experiments.core.loss import Loss
from experiments.core.target import canonical
from experiments.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    HalfSquaredError,
    LabelSmoothedCrossEntropy,
    MeanSquaredError,
    RescaledSquaredError,
)

NAN, INF = float("nan"), float("inf")


def refused(loss, outputs, t, words):
    """Every door refuses, with one message in three parts."""
    doors = (
        loss,
        loss.per_example,
        loss.delta,
        loss.per_example_and_delta,
        loss.correct,
        loss.hessian,
    )
    for door in doors:
        with pytest.raises(ConfigurationError, match=words) as refusal:
            door(outputs, t)
        assert str(refusal.value).startswith("found ")
        assert "; expected " in str(refusal.value)
        assert str(refusal.value).count("; ") >= 2


@pytest.mark.parametrize(
    "loss", [CrossEntropy(), HalfSquaredError(), BinaryCrossEntropy()], ids=repr
)
@pytest.mark.parametrize("bad", [[0, 3], [-1, 0], [0, -100]])
def test_class_indices_out_of_range(loss, bad):
    """An index outside 0 .. n_L - 1 is named, with the range; -100 is no exception."""
    refused(loss, torch.zeros(2, 3), torch.tensor(bad), "class indices from .* expected 0 to 2")


@pytest.mark.parametrize(
    ("outputs", "t"),
    [
        (torch.zeros(4, 1), torch.zeros(4)),  # would broadcast to a 4 x 4 residual
        (torch.zeros(4, 3), torch.zeros(4)),
        (torch.zeros(4, 3), torch.zeros(1, 3)),
        (torch.zeros(4, 3), torch.zeros(4, 1)),
        (torch.zeros(4, 3), torch.zeros(3, dtype=torch.long)),
        (torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.long)),
        (torch.zeros(2, 4, 3), torch.zeros(1, 4, 3)),
        (torch.zeros(2, 4, 3), torch.zeros(2, 1, dtype=torch.long)),
        (torch.zeros(2, 4, 3), torch.zeros(3, 4, dtype=torch.long)),
        (torch.zeros(4, 3), torch.zeros(4, 3, dtype=torch.complex64)),
        (torch.zeros(4, 3), torch.tensor(1)),
    ],
)
def test_shapes_that_would_broadcast(outputs, t):
    """Nothing broadcasts but targets that all runs share."""
    refused(MeanSquaredError(), outputs, t, r"targets torch\..* of shape .* for outputs of shape")


@pytest.mark.parametrize(
    ("outputs", "t", "remedy"),
    [
        (torch.zeros(4, 3), torch.zeros(4), r"class indices as integers: t\.long\(\)"),
        (torch.zeros(2, 4, 3), torch.zeros(2, 4), r"class indices as integers: t\.long\(\)"),
        (torch.zeros(4, 1), torch.zeros(4), r"t\.unsqueeze\(-1\)"),
        (torch.zeros(2, 4, 1), torch.zeros(4), r"t\.unsqueeze\(-1\)"),
        (torch.zeros(4, 3), torch.zeros(5), "reshape the targets"),
    ],
)
def test_the_remedy_fits_the_mistake(outputs, t, remedy):
    """Indices of the wrong type and a forgotten axis have one shape, and two remedies."""
    refused(HalfSquaredError(), outputs, t, remedy)


def test_targets_that_want_a_gradient():
    """They would silently get none."""
    refused(HalfSquaredError(), torch.zeros(2, 3), torch.zeros(2, 3, requires_grad=True), "detach")


@pytest.mark.parametrize("loss", [CrossEntropy(), LabelSmoothedCrossEntropy(), Focal()], ids=repr)
def test_rows_that_are_no_distribution(loss):
    """Rows must sum to one, whole or soft, and have no negative share."""
    z = torch.zeros(1, 3)
    refused(loss, z, torch.tensor([[1.0, 1.0, 0.0]]), "sum is off by up to 1;.* one-hot or soft")
    refused(loss, z, torch.zeros(1, 3), "sum is off by up to 1")
    refused(loss, z, torch.tensor([[1.5, -0.5, 0.0]]), "values from -0.5 to 1.5")
    refused(loss, z, torch.tensor([[NAN, 0.5, 0.5]]), "values from nan")
    assert loss(z, torch.tensor([[0.2, 0.3, 0.5]])).isfinite()


@pytest.mark.parametrize("outputs", [torch.float32, torch.float64])
@pytest.mark.parametrize("targets", [torch.float16, torch.float32, torch.float64])
def test_rows_that_sum_to_one_in_their_own_precision_are_accepted(outputs, targets):
    """The tolerance is that of the targets' dtype, whatever the outputs are."""
    rows = torch.softmax(torch.randn(50, 100), -1).to(targets)
    assert CrossEntropy()(torch.zeros(50, 100, dtype=outputs), rows).isfinite()


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), Focal(link="sigmoid")], ids=repr)
@pytest.mark.parametrize("bad", [-0.1, 1.1, NAN, INF])
def test_shares_outside_zero_and_one(loss, bad):
    """A yes-or-no question has a share of yes in [0, 1]; rows need not sum to one."""
    refused(loss, torch.zeros(1, 2), torch.tensor([[bad, 0.5]]), "expected shares in")
    assert loss(torch.zeros(1, 2), torch.tensor([[0.9, 0.8]])).isfinite()
    refused(loss, torch.zeros(1, 1), torch.tensor([2]), "expected shares in")


def test_soft_rows_where_a_class_is_needed():
    """The rescaled squared error has one right class an example."""
    refused(
        RescaledSquaredError(), torch.zeros(1, 2), torch.tensor([[0.5, 0.5]]), "soft target rows"
    )


@pytest.mark.parametrize(
    "loss", [CrossEntropy(), HalfSquaredError("softmax"), RescaledSquaredError()], ids=repr
)
def test_one_output_is_not_enough(loss):
    """The softmax of one number is always 1."""
    refused(loss, torch.zeros(3, 1), torch.zeros(3, dtype=torch.long), "found one output for")


@pytest.mark.parametrize(
    ("outputs", "remedy"),
    [(torch.zeros(3), r"unsqueeze\(0\)"), (torch.zeros(2, 3, dtype=torch.long), r"float\(\)")],
)
def test_outputs_without_a_batch_or_of_integers(outputs, remedy):
    """One example still is a batch (asked inside the doors: the tests enforce their annotations)."""
    with pytest.raises(ConfigurationError, match=f"found outputs torch.*{remedy}"):
        HalfSquaredError()._checked(outputs, torch.zeros(2, 3))


@pytest.mark.parametrize("given", [[0, 1, 2], np.array([0, 1, 2]), None], ids=repr)
def test_what_is_no_tensor_is_refused_by_its_type(given):
    """Lists and arrays (asked without the annotations that tests check, which refuse them earlier)."""
    kind = type(given).__name__
    with pytest.raises(ConfigurationError, match=f"found targets of type {kind};.*as_tensor"):
        inspect.unwrap(canonical)(torch.zeros(3, 3), given, "value")
    with pytest.raises(ConfigurationError, match=f"found outputs of type {kind};.*as_tensor"):
        inspect.unwrap(Loss._checked)(HalfSquaredError(), given, torch.zeros(3, 1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: CrossEntropy(link="sigmoid"),
            "link='sigmoid' for CrossEntropy; expected 'softmax'",
        ),
        (lambda: BinaryCrossEntropy(link="softmax"), "link='softmax'"),
        (lambda: HalfSquaredError(link="probit"), "'identity' or 'sigmoid' or 'softmax'"),
        (lambda: Focal(gamma=-1.0), "gamma=-1.0"),
        (lambda: Focal(gamma=NAN), "gamma=nan"),
        (lambda: Focal(gamma=INF), "gamma=inf"),
        (lambda: LabelSmoothedCrossEntropy(1.0), "smoothing=1.0"),
        (
            lambda: LabelSmoothedCrossEntropy(-0.1),
            "smoothing=-0.1; expected a finite number of 0 or more, below 1; give smoothing=0.1",
        ),
        (lambda: LabelSmoothedCrossEntropy(NAN), "smoothing=nan"),
        (lambda: RescaledSquaredError(k=0.0), "k=0"),
        (lambda: RescaledSquaredError(M=0.0), "M=0"),
        (lambda: RescaledSquaredError(k=-1.0), "k=-1"),
        (lambda: RescaledSquaredError(M=INF), "M=inf"),
        (lambda: RescaledSquaredError(link="softmax"), "link='softmax'"),
    ],
)
def test_settings_that_cannot_be(make, words):
    """Refused at construction, named."""
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_check_targets_looks_at_every_value_once():
    """What the hot loop cannot afford to look at: a NaN among regression targets, and the rest."""
    HalfSquaredError().check_targets(torch.randn(10, 3), n_out=3)
    CrossEntropy().check_targets(torch.tensor([0, 1, 2]), n_out=3)
    with pytest.raises(ConfigurationError, match="from nan to nan; expected finite"):
        HalfSquaredError().check_targets(torch.tensor([[1.0], [NAN]]), n_out=1)
    with pytest.raises(ConfigurationError, match="expected finite numbers"):
        AbsoluteError().check_targets(torch.tensor([[1.0], [INF]]), n_out=1)
    with pytest.raises(ConfigurationError, match="class indices from 0 to 3; expected 0 to 2"):
        CrossEntropy().check_targets(torch.tensor([0, 3]), n_out=3)
    with pytest.raises(ConfigurationError, match="one output"):
        CrossEntropy().check_targets(torch.tensor([0, 0]), n_out=1)
    with pytest.raises(ConfigurationError, match=r"of shape \(2,\) for outputs of shape \(2, 1\)"):
        HalfSquaredError().check_targets(torch.tensor([0.5, 1.0]), n_out=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("loss", [CrossEntropy(), Focal(), HalfSquaredError("softmax")])
def test_probabilities_where_logits_are_expected(loss, dtype):
    """What a softmax gives is refused by a softmax link, whatever the number of runs or the dtype."""
    t = torch.tensor([1, 0, 2, 2])
    for shape in ((4, 3), (2, 4, 3)):
        z = torch.randn(shape, dtype=dtype, requires_grad=True)
        loss(z, t)
        with pytest.raises(ConfigurationError, match=r"rows sum to one; expected raw outputs"):
            loss(z.softmax(-1), t)


@pytest.mark.parametrize(
    "outputs",
    [
        torch.eye(3), torch.full((3, 3), 1 / 3), torch.zeros(3, 3), torch.ones(3, 3), torch.rand(3, 3),
        torch.full((3, 3), NAN), torch.full((3, 3), INF), torch.randn(3, 3).softmax(0),
    ],
)  # fmt: skip
def test_logits_that_only_look_like_probabilities(outputs):
    """One-hot, even, constant, small, non-finite logits are logits."""
    CrossEntropy()(outputs, torch.tensor([0, 1, 2]))


@pytest.mark.parametrize(
    ("dtype", "rows"), [(torch.bfloat16, 1), (torch.bfloat16, 2), (torch.float16, 1)], ids=str
)
def test_a_few_rounded_logits_are_not_taken_for_probabilities(dtype, rows):
    """Steps of one or two examples: among 20,000 draws between 0 and 1 some rows do sum to one."""
    draws = torch.rand(20_000 // rows, rows, 2).to(dtype)
    sums = draws.float().sum(-1)
    assert ((sums - 1).abs().amax(-1) <= torch.finfo(dtype).eps).any()
    for z in draws:
        CrossEntropy().check_outputs(z)


def test_one_row_of_round_numbers_is_a_row_of_logits():
    """A quarter and three quarters, typed in by hand; two such rows are too many."""
    z, y = torch.tensor([[0.25, 0.75]]), torch.tensor([1])
    assert float(CrossEntropy()(z, y)) == pytest.approx(math.log(1 + math.exp(-0.5)), rel=1e-6)
    with pytest.raises(ConfigurationError, match="rows sum to one"):
        CrossEntropy()(torch.cat([z, z]), torch.cat([y, y]))


def test_probabilities_are_values_for_a_raw_squared_error_and_small_logits_for_a_sigmoid():
    """Without a link they are what is compared; a sigmoid's values cannot be told from logits."""
    p = torch.randn(4, 3).softmax(-1)
    for loss in (HalfSquaredError("identity"), BinaryCrossEntropy()):
        assert loss(p, torch.tensor([0, 1, 2, 0])).isfinite()


def test_looking_at_outputs_leaves_function_transforms_alone():
    """vmap and grad have no values to look at, or need none."""
    z, t = torch.randn(5, 4, 3), torch.tensor([0, 1, 2, 0])
    both = torch.func.vmap(lambda each: CrossEntropy()(each, t))(z)
    torch.testing.assert_close(both, CrossEntropy()(z, t))
    slope = torch.func.grad(lambda each: CrossEntropy()(each, t))(z[0])
    torch.testing.assert_close(slope, CrossEntropy().delta(z[0], t) / 4)


def test_one_output_takes_the_target_as_a_value():
    """Integers 0 and 1, booleans, and floats mean the same for one output."""
    z = torch.tensor([[2.0], [-1.0], [0.5]])
    wanted = BinaryCrossEntropy().per_example(z, torch.tensor([[1.0], [0.0], [0.0]]))
    for t in (
        torch.tensor([1, 0, 0]),
        torch.tensor([True, False, False]),
        torch.tensor([[1], [0], [0]]),
    ):
        assert torch.equal(BinaryCrossEntropy().per_example(z, t), wanted)
        assert BinaryCrossEntropy().correct(z, t).tolist() == [True, True, False]


def test_regression_takes_any_integer_as_a_value():
    """A count is a value: (3 - 5)^2 / 2."""
    assert HalfSquaredError()(torch.tensor([[3.0]]), torch.tensor([5])).item() == 2.0


def test_a_nan_is_never_right():
    """Neither among several outputs, whose argmax would be an index, nor alone, where NaN > 1/2 is
    as false as 0 > 1/2.
    """
    several = torch.tensor([[NAN, 0.0], [0.0, NAN], [NAN, NAN], [1.0, 0.0]])
    assert CrossEntropy().correct(several, torch.tensor([0, 1, 0, 0])).tolist() == [
        False, False, False, True,
    ]  # fmt: skip
    alone = torch.tensor([[NAN], [-1.0]])
    assert BinaryCrossEntropy().correct(alone, torch.tensor([0, 0])).tolist() == [False, True]


def test_integers_of_runs_and_batch_are_class_indices():
    """With runs = batch = n_L the shape is ambiguous; integers without a class axis are indices."""
    z, t = torch.randn(3, 3, 3), torch.tensor([[0, 1, 2], [2, 2, 1], [0, 0, 1]])
    cost = CrossEntropy().per_example(z, t)
    for r in range(3):
        torch.testing.assert_close(cost[r], CrossEntropy().per_example(z[r], t[r]))


@pytest.mark.parametrize("loss", [CrossEntropy(), HalfSquaredError(), BinaryCrossEntropy()])
@pytest.mark.parametrize("dtype", [torch.long, torch.uint8, torch.bool])
def test_integer_rows_that_all_runs_share_are_the_values_they_name(loss, dtype):
    """What one_hot gives, for one network and for a stack: the same as floats."""
    z, rows = torch.randn(5, 4, 3), torch.nn.functional.one_hot(torch.tensor([2, 0, 1, 1]), 3)
    shared, floats = rows.to(dtype), rows.float()
    for outputs in (z, z[0]):
        torch.testing.assert_close(loss(outputs, shared), loss(outputs, floats))
        torch.testing.assert_close(loss.delta(outputs, shared), loss.delta(outputs, floats))
    one = torch.randn(3, 4, 1)
    if not isinstance(loss, CrossEntropy):
        torch.testing.assert_close(loss(one, shared[:, :1]), loss(one, floats[:, :1]))


def test_integers_that_may_be_rows_or_indices_are_refused():
    """As many runs as examples and outputs, and one-hot rows: nobody can know which was meant."""
    z, rows = torch.randn(3, 3, 3), torch.eye(3, dtype=torch.long)
    refused(CrossEntropy(), z, rows, r"either class indices .*; give shared rows as t\.float\(\)")
    expected = torch.stack([CrossEntropy()(z[r], rows.float()) for r in range(3)])
    torch.testing.assert_close(CrossEntropy()(z, rows.float()), expected)
    one = torch.ones(1, 1, dtype=torch.long)  # one output: an index and a value are the same number
    assert float(BinaryCrossEntropy()(torch.zeros(1, 1, 1), one)) == pytest.approx(math.log(2))


def test_prediction_is_the_link():
    """Identity, sigmoid and softmax of the outputs, for one network and a stack."""
    z = torch.randn(2, 4, 3)
    assert torch.equal(HalfSquaredError().prediction(z), z)
    torch.testing.assert_close(BinaryCrossEntropy().prediction(z), torch.sigmoid(z))
    torch.testing.assert_close(CrossEntropy().prediction(z), torch.softmax(z, -1))


def test_the_transforms_see_no_values():
    """Inside vmap over targets and under the compiler values are not looked at; outside they are."""
    z, bad = torch.zeros(2, 3, 2), torch.full((2, 3, 2), 0.9)
    assert torch.func.vmap(CrossEntropy())(z, bad).isfinite().all()
    with pytest.raises(ConfigurationError, match=r"off by up to 0\.8"):
        CrossEntropy()(z, bad)
