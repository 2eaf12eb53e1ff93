"""What is measured of answers, against other people's metrics and plain loops."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from experiments.core.errors import ConfigurationError
from experiments.core.loss import Loss
from experiments.core.metric import Answers
from experiments.losses import BinaryCrossEntropy, CrossEntropy, HalfSquaredError
from experiments.probes.metrics import (
    ECE,
    NLL,
    Brier,
    ConfidentErrorGradient,
    ConfidentErrors,
    LargestError,
    LogitNorm,
    SquaredDistance,
    WorstClass,
)

RUNS, EXAMPLES, CLASSES = 3, 400, 5
HEADS = [CrossEntropy(), BinaryCrossEntropy(), HalfSquaredError("identity")]
heads = pytest.mark.parametrize("loss", HEADS, ids=str)


def answered(loss: Loss) -> tuple[Answers, np.ndarray, np.ndarray]:
    """Answers of three runs, their probabilities by NumPy, and the classes."""
    z = 3 * torch.randn(RUNS, EXAMPLES, CLASSES, dtype=torch.float64)
    # raw outputs that are all negative choose a class but claim nothing; others' metrics have no such case
    z = torch.where(z.amax(-1, keepdim=True) < 0, -z, z)
    t = torch.randint(CLASSES, (EXAMPLES,))
    raw = z.numpy()
    if loss.link == "softmax":
        a = np.exp(raw)
    else:
        a = 1 / (1 + np.exp(-raw)) if loss.link == "sigmoid" else np.maximum(raw, 0)
    total = a.sum(-1, keepdims=True)
    p = np.divide(a, total, out=np.full_like(a, 1 / CLASSES), where=total > 0)
    return Answers(z, t, loss), p, t.numpy()


@heads
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_calibration_error_is_that_of_torchmetrics(loss: Loss, bins: int) -> None:
    """Every run's, whatever the number of bins."""
    answers, p, t = answered(loss)
    for run, found in enumerate(ECE(bins)(answers).tolist()):
        wanted = multiclass_calibration_error(
            torch.from_numpy(p[run]), torch.from_numpy(t), CLASSES, n_bins=bins, norm="l1"
        )
        assert found == pytest.approx(float(wanted), abs=1e-6)  # theirs is float32


@heads
def test_likelihood_and_brier_score(loss: Loss) -> None:
    """The logarithmic score of scikit-learn, floor included; the Brier score as a loop."""
    answers, p, t = answered(loss)
    floor = 1e-6
    likelihood, brier = NLL(floor)(answers), Brier()(answers)
    for run in range(RUNS):
        right = p[run][np.arange(EXAMPLES), t]
        assert float(likelihood[run]) == pytest.approx(-np.log(np.maximum(right, floor)).mean())
        if loss.link == "softmax":
            assert float(NLL()(answers)[run]) == pytest.approx(
                log_loss(t, p[run], labels=range(CLASSES))
            )
        distance = sum(
            (p[run, d, j] - (t[d] == j)) ** 2 for d in range(EXAMPLES) for j in range(CLASSES)
        )
        assert float(brier[run]) == pytest.approx(distance / EXAMPLES)


@heads
def test_errors_that_are_sure_and_what_would_mend_them(loss: Loss) -> None:
    """Their share, and the norm of the gradient that autograd finds there."""
    answers, p, t = answered(loss)
    threshold = 0.6
    shares, sizes = ConfidentErrors(threshold)(answers), ConfidentErrorGradient(threshold)(answers)
    for run in range(RUNS):
        chosen = (p[run].argmax(-1) != t) & (p[run].max(-1) >= threshold)
        assert float(shares[run]) == pytest.approx(chosen.mean())
        z = answers.outputs[run].clone().requires_grad_()
        loss.per_example(z, answers.t).sum().backward()
        assert z.grad is not None
        wanted = np.linalg.norm(z.grad.numpy()[chosen], axis=-1).mean()
        assert float(sizes[run]) == pytest.approx(wanted)


@heads
def test_the_worst_class_the_norm_and_the_distance(loss: Loss) -> None:
    """Plain loops over classes and examples."""
    answers, p, t = answered(loss)
    worst, norm, distance = WorstClass()(answers), LogitNorm()(answers), SquaredDistance()(answers)
    largest = LargestError()(answers)
    for run in range(RUNS):
        right = answers.outputs[run].numpy().argmax(-1) == t
        assert float(worst[run]) == pytest.approx(min(right[t == k].mean() for k in range(CLASSES)))
        z = answers.outputs[run].numpy()
        assert float(norm[run]) == pytest.approx(np.sqrt((z**2).sum(-1)).mean())
        a = (
            p[run]
            if loss.link == "softmax"
            else 1 / (1 + np.exp(-z))
            if loss.link == "sigmoid"
            else z
        )
        assert float(distance[run]) == pytest.approx(((a - np.eye(CLASSES)[t]) ** 2).sum(-1).mean())
        assert float(largest[run]) == pytest.approx(np.abs(a - np.eye(CLASSES)[t]).max())


def test_one_output_answers_for_two_classes() -> None:
    """A sigmoid's a is the probability of class 1."""
    z = torch.tensor([[[2.0], [-1.0], [0.5]]], dtype=torch.float64)
    answers = Answers(z, torch.tensor([1, 0, 0]), BinaryCrossEntropy())
    a = 1 / (1 + np.exp(-z.numpy()[0, :, 0]))
    right = np.array([a[0], 1 - a[1], 1 - a[2]])
    assert float(NLL()(answers)[0]) == pytest.approx(-np.log(right).mean())
    assert float(Brier()(answers)[0]) == pytest.approx(2 * ((1 - right) ** 2).mean())


METRICS = [ECE(), NLL(), Brier(), ConfidentErrors(0.5), ConfidentErrorGradient(0.5), LogitNorm(),
           LargestError(), SquaredDistance(), WorstClass()]  # fmt: skip
metrics = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)


@metrics
@heads
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_run_that_diverged_gets_no_number_and_its_neighbour_does(metric, loss, bad) -> None:
    """One output that is not finite is NaN for its run, whatever the other examples answer."""
    z = torch.tensor([[[5.0, 0.0]] * 3, [[bad, 0.0], [5.0, 0.0], [0.0, 5.0]]])
    found: Tensor = metric(Answers(z, torch.tensor([0, 1, 0]), loss))
    assert bool(found[0].isfinite())
    assert bool(found[1].isnan())


@metrics
def test_a_mean_over_no_examples_is_nan(metric) -> None:
    """An empty split: one NaN a run."""
    found = metric(Answers(torch.zeros(2, 0, 3), torch.zeros(0, dtype=torch.long), CrossEntropy()))
    assert found.shape == (2,)
    assert bool(found.isnan().all())


@pytest.mark.parametrize("make", [
    lambda: ECE(0), lambda: ECE(True), lambda: NLL(0.0), lambda: NLL(1.0), lambda: NLL(float("nan")),
    lambda: ConfidentErrors(1.5), lambda: ConfidentErrorGradient(-0.1),
])  # fmt: skip
def test_a_setting_out_of_range_is_refused(make) -> None:
    """At construction."""
    with pytest.raises(ConfigurationError, match="found metric"):
        make()
