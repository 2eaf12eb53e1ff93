"""The losses against torch's own, where torch has them: values, gradients, and what torch rounds away."""

import pytest
import torch
from torch.nn import functional

from experiments.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    HalfSquaredError,
    LabelSmoothedCrossEntropy,
    MeanSquaredError,
    RescaledSquaredError,
    SquaredError,
)

CLASSES = 5
LINKS = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "softmax": lambda z: torch.softmax(z, -1),
}


def squared(z, rows):
    """torch's squared error, term by term."""
    return functional.mse_loss(z, rows, reduction="none")


def torch_cost(loss, z, rows):
    """C_d by torch's operators alone."""
    a = LINKS[loss.link](z)
    match loss:
        case HalfSquaredError():
            return squared(a, rows).sum(-1) / 2
        case SquaredError():
            return squared(a, rows).sum(-1)
        case MeanSquaredError():
            return squared(a, rows).mean(-1)
        case RescaledSquaredError():
            weight = torch.where(rows == 1, loss.k, 1.0)
            return (weight * squared(z, loss.M * rows)).mean(-1)
        case AbsoluteError():
            return functional.l1_loss(a, rows, reduction="none").sum(-1)
        case BinaryCrossEntropy():
            return functional.binary_cross_entropy_with_logits(z, rows, reduction="none").sum(-1)
        case CrossEntropy():
            return functional.cross_entropy(z, rows, reduction="none")
        case LabelSmoothedCrossEntropy():
            return functional.cross_entropy(
                z, rows, reduction="none", label_smoothing=loss.smoothing
            )
        case Focal(link="softmax"):
            u = functional.cross_entropy(z, rows.argmax(-1), reduction="none")
            return (1 - torch.exp(-u)) ** loss.gamma * u
        case Focal():
            u = functional.binary_cross_entropy_with_logits(z, rows, reduction="none")
            return ((1 - torch.exp(-u)) ** loss.gamma * u).sum(-1)


CASES = [
    *[
        cls(link)
        for cls in (HalfSquaredError, SquaredError, MeanSquaredError, AbsoluteError)
        for link in LINKS
    ],
    RescaledSquaredError(),
    RescaledSquaredError(k=15.0, M=30.0),
    BinaryCrossEntropy(),
    CrossEntropy(),
    LabelSmoothedCrossEntropy(0.0),
    LabelSmoothedCrossEntropy(0.3),
    *[Focal(gamma, link) for gamma in (0.0, 0.5, 1.0, 2.0, 3.7) for link in ("softmax", "sigmoid")],
]
every_loss = pytest.mark.parametrize("loss", CASES, ids=repr)


@pytest.mark.usefixtures("float64")
@every_loss
def test_value_and_gradient_are_torchs(loss):
    """Cost and delta equal torch's operator and its autograd to 1e-12, for logits of ordinary size."""
    z, y = 3 * torch.randn(40, CLASSES), torch.randint(CLASSES, (40,))
    z.requires_grad_()
    cost = torch_cost(loss, z, functional.one_hot(y, CLASSES).double())
    (gradient,) = torch.autograd.grad(cost.sum(), z)
    torch.testing.assert_close(loss.per_example(z, y), cost, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(loss.delta(z, y), gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
@every_loss
def test_the_second_derivative_is_torchs(loss):
    """The double backward of a random combination equals torch's to 1e-11."""
    z, y = 2 * torch.randn(20, CLASSES), torch.randint(CLASSES, (20,))
    z.requires_grad_()
    v, rows, second = torch.randn_like(z), functional.one_hot(y, CLASSES).double(), []
    for cost in (torch_cost(loss, z, rows), loss.per_example(z, y)):
        (gradient,) = torch.autograd.grad(cost.sum(), z, create_graph=True)
        along = (gradient * v).sum()
        second += torch.autograd.grad(along, z) if along.requires_grad else [torch.zeros_like(z)]
    torch.testing.assert_close(second[1], second[0], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "loss",
    [case for case in CASES if not isinstance(case, Focal)],
    ids=repr,
)
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_enormous_logits_agree_with_torchs_logit_losses(loss, size):
    """At +-1e4 in float32, cost and delta are torch's in float64: finite and at their limits."""
    y = torch.tensor([0, 1])
    z = torch.tensor([[size, 0.0, -size, 1.0, 0.0], [size, 0.0, -size, 1.0, 0.0]])
    far = z.double().requires_grad_()
    cost = torch_cost(loss, far, functional.one_hot(y, CLASSES).double())
    (gradient,) = torch.autograd.grad(cost.sum(), far)
    torch.testing.assert_close(loss.per_example(z, y).double(), cost.detach(), rtol=1e-6, atol=0)
    torch.testing.assert_close(loss.delta(z, y).double(), gradient, rtol=1e-6, atol=1e-7)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("loss", [CrossEntropy(), LabelSmoothedCrossEntropy(0.2)], ids=repr)
def test_soft_targets_are_torchs_probability_targets(loss):
    """Rows that sum to one mean the same as in torch."""
    z, rows = torch.randn(8, CLASSES), torch.softmax(torch.randn(8, CLASSES), -1)
    torch.testing.assert_close(loss.per_example(z, rows), torch_cost(loss, z, rows))


def test_cross_entropy_keeps_what_torch_rounds_to_zero():
    """Confidently right, float32: the cost is e^-20, the gradient not 0; torch returns 0 for both.

    -log a_y = log1p(e^-20) = 2.0611536e-09.
    """
    z, y = torch.tensor([[20.0, 0.0]], requires_grad=True), torch.tensor([0])
    (ours,) = torch.autograd.grad(CrossEntropy()(z, y), z)
    (torchs,) = torch.autograd.grad(functional.cross_entropy(z, y), z)
    assert functional.cross_entropy(z, y) == 0
    assert torchs[0, 0] == 0
    assert CrossEntropy()(z, y).item() == pytest.approx(2.0611536e-09, rel=1e-6)
    assert ours[0, 0].item() == pytest.approx(-2.0611536e-09, rel=1e-6)


@pytest.mark.parametrize("cls", [HalfSquaredError, SquaredError, MeanSquaredError])
def test_squared_error_on_a_sigmoid_keeps_what_torch_rounds_to_zero(cls):
    """Wrong with z = 20: delta = c a (1 - a) (a - t) is c 2.06e-9 in float32, where torch has 0."""
    z, y = torch.tensor([[20.0]], requires_grad=True), torch.tensor([0])
    loss = cls("sigmoid")
    (torchs,) = torch.autograd.grad(torch_cost(loss, z, torch.zeros(1, 1)).sum(), z)
    factor = 1 if cls is HalfSquaredError else 2
    assert torchs.item() == 0
    assert loss.delta(z, y).item() == pytest.approx(factor * 2.0611536e-09, rel=1e-6)


def test_forward_takes_the_mean_over_the_batch_alone():
    """MeanSquaredError()(z, t) is torch.nn.MSELoss; cross-entropy is torch.nn.CrossEntropyLoss."""
    z, y, t = torch.randn(6, CLASSES), torch.randint(CLASSES, (6,)), torch.randn(6, CLASSES)
    torch.testing.assert_close(MeanSquaredError()(z, t), torch.nn.MSELoss()(z, t))
    torch.testing.assert_close(CrossEntropy()(z, y), torch.nn.CrossEntropyLoss()(z, y))
    one, wanted = torch.randn(6, 1), torch.rand(6, 1)
    torch.testing.assert_close(
        BinaryCrossEntropy()(one, wanted), torch.nn.BCEWithLogitsLoss()(one, wanted)
    )
