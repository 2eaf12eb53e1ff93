"""One logit under every head: published extremes, high-precision derivatives, and the losses' own."""

import math

import mpmath
import numpy as np
import pytest
import torch

from experiments import losses
from experiments.core.errors import ConfigurationError
from experiments.theory.loss_confident_error import confident_error
from experiments.theory.loss_geometry import (
    absolute_on_sigmoid,
    cross_entropy_on_sigmoid,
    focal_on_sigmoid,
    geometry,
    gives_up_at,
    half_squared_on_identity,
    half_squared_on_sigmoid,
    heads,
    smoothed_cross_entropy_on_sigmoid,
)

U = np.linspace(-12, 12, 97)
#: prediction and measurement: the head of the theory, the room that trains
PAIRS = [
    (half_squared_on_identity(), losses.HalfSquaredError("identity")),
    (half_squared_on_sigmoid(), losses.HalfSquaredError("sigmoid")),
    (absolute_on_sigmoid(), losses.AbsoluteError("sigmoid")),
    (cross_entropy_on_sigmoid(), losses.BinaryCrossEntropy()),
    (focal_on_sigmoid(2.0), losses.Focal(2.0, "sigmoid")),
    (focal_on_sigmoid(0.7), losses.Focal(0.7, "sigmoid")),
]
every_pair = pytest.mark.parametrize(("head", "loss"), PAIRS, ids=[head.name for head, _ in PAIRS])


@every_pair
@pytest.mark.parametrize("target", [0, 1])
def test_prediction_and_loss_agree(head, loss, target):
    """Cost, |delta| and curvature of the room are those of the table, from either side, to 1e-12."""
    z = U if target == 0 else 2 * head.boundary - U
    outputs, t = torch.tensor(z)[:, None], torch.full((len(z),), target)
    sign = 1 if target == 0 else -1
    found = (
        (loss.per_example(outputs, t), head.cost),
        (sign * loss.delta(outputs, t)[:, 0], head.slope),
        (loss.hessian(outputs, t)[:, 0, 0], head.curvature),
    )
    for measured, predicted in found:
        np.testing.assert_allclose(measured.numpy(), predicted(U), rtol=1e-12, atol=1e-15)


def test_two_classes_of_a_softmax_are_a_sigmoid_of_the_difference():
    """Cross-entropy is the same, squared error counts both classes; label smoothing spreads over two."""
    outputs = torch.stack([torch.tensor(U), torch.zeros(len(U), dtype=torch.float64)], dim=-1)
    t = torch.ones(len(U), dtype=torch.long)
    for loss, head, factor in (
        (losses.CrossEntropy(), cross_entropy_on_sigmoid(), 1),
        (losses.HalfSquaredError("softmax"), half_squared_on_sigmoid(), 2),
        (losses.AbsoluteError("softmax"), absolute_on_sigmoid(), 2),
        (losses.LabelSmoothedCrossEntropy(0.2), smoothed_cross_entropy_on_sigmoid(0.2), 1),
        (losses.Focal(1.5), focal_on_sigmoid(1.5), 1),
    ):
        cost, delta = loss.per_example_and_delta(outputs, t)
        np.testing.assert_allclose(cost, factor * head.cost(U), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(delta[:, 0], factor * head.slope(U), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("head", heads(), ids=lambda head: head.name)
def test_slope_and_curvature_are_derivatives_of_the_cost(head):
    """Against central differences of the table's own cost at three scales of wrongness."""
    step = 1e-4
    u = np.array([-6.0, -1.0, -0.1, 0.3, 1.0, 2.5, 6.0])
    slope = (head.cost(u + step) - head.cost(u - step)) / (2 * step)
    curvature = (head.slope(u + step) - head.slope(u - step)) / (2 * step)
    np.testing.assert_allclose(head.slope(u), slope, rtol=1e-5, atol=1e-10)
    np.testing.assert_allclose(head.curvature(u), curvature, rtol=1e-5, atol=1e-10)


def test_squared_error_on_a_sigmoid_has_the_published_extremes():
    """C' at most 4/27 at s = 2/3; concave beyond ln 2; C'' >= -0.06010220, at s = 0.864357."""
    shape = geometry(half_squared_on_sigmoid())
    assert shape.inflection == pytest.approx(math.log(2), abs=1e-12)
    assert shape.greatest_slope == pytest.approx(4 / 27, abs=1e-15)
    assert shape.least_curvature == pytest.approx(-0.06010220, abs=1e-8)
    assert 1 / (1 + math.exp(-shape.most_concave)) == pytest.approx(0.864357, abs=1e-6)
    assert shape.final_slope == 0


def test_least_curvature_in_closed_form():
    """C''' = 0 where 12 s^2 - 15 s + 4 = 0, at s = (15 + sqrt 33) / 24; to 1e-14."""
    with mpmath.workdps(30):
        s = (15 + mpmath.sqrt(33)) / 24
        least = s**2 * (1 - s) * (2 - 3 * s)
        assert geometry(half_squared_on_sigmoid()).least_curvature == pytest.approx(
            float(least), abs=1e-14
        )


def test_absolute_error_is_steepest_in_the_middle():
    """s (1 - s): 1/4 at s = 1/2; least curvature -1 / (6 sqrt 3), at s = (3 + sqrt 3) / 6."""
    shape = geometry(absolute_on_sigmoid())
    assert shape.inflection == pytest.approx(0, abs=1e-12)
    assert shape.greatest_slope == pytest.approx(0.25, abs=1e-15)
    assert shape.least_curvature == pytest.approx(-1 / (6 * math.sqrt(3)), abs=1e-14)
    assert shape.most_concave == pytest.approx(math.log(2 + math.sqrt(3)), abs=1e-6)


def test_cross_entropies_and_the_identity_are_convex():
    """No inflection; the pull of cross-entropy ends at 1, of smoothed at 1 - e/2, of distance nowhere."""
    for head, end in (
        (cross_entropy_on_sigmoid(), 1.0),
        (smoothed_cross_entropy_on_sigmoid(0.2), 0.9),
        (half_squared_on_identity(), math.inf),
    ):
        shape = geometry(head)
        assert shape.inflection == math.inf
        assert shape.least_curvature >= 0
        assert shape.final_slope == pytest.approx(end)
        assert (head.curvature(U) > 0).all()


def test_focal_loss_forgives_the_hopeless_but_never_forgets_them():
    """Concave where confidently wrong, steepest before, and still pulling with 1 at the end."""
    shape = geometry(focal_on_sigmoid(2.0))
    assert 2 < shape.inflection < 3
    assert shape.greatest_slope > 1
    assert shape.least_curvature < 0
    assert shape.final_slope == pytest.approx(1)


@pytest.mark.parametrize("share", [0.5, 0.1, 1e-2, 1e-6, 1e-12])
def test_where_squared_error_gives_up(share):
    """The root of s^2 (1 - s) = share 4/27 beyond 2/3; near ln(27 / (4 share)) for small shares."""
    with mpmath.workdps(40):
        roots = [r.real for r in mpmath.polyroots([-1, 1, 0, -mpmath.mpf(share) * 4 / 27])]
        s = next(r for r in roots if mpmath.mpf(2) / 3 < r < 1)
        expected = float(mpmath.log(s / (1 - s)))
    assert gives_up_at(half_squared_on_sigmoid(), share) == pytest.approx(expected, abs=1e-9)
    if share <= 1e-2:
        assert expected == pytest.approx(math.log(27 / (4 * share)), abs=0.01)


def test_cross_entropy_never_gives_up():
    """Nor do the focal and the smoothed one, nor distance."""
    for head in heads():
        if ("squared error" in head.name and "sigmoid" in head.name) or "absolute" in head.name:
            assert gives_up_at(head) < 7
        else:
            assert gives_up_at(head) == math.inf


def test_settings_that_cannot_be():
    """Named, with the range."""
    with pytest.raises(ConfigurationError, match="gamma=-1"):
        focal_on_sigmoid(-1)
    with pytest.raises(ConfigurationError, match="smoothing=1"):
        smoothed_cross_entropy_on_sigmoid(1)
    with pytest.raises(ConfigurationError, match="share=0"):
        gives_up_at(half_squared_on_sigmoid(), 0)
    with pytest.raises(ConfigurationError, match="classes=1"):
        confident_error(np.zeros(1), 1)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_pull_of_a_confident_error_is_the_losses_delta(classes):
    """All three heads, every logit, margins from -2 to 30, to 1e-11 relative."""
    margins = np.linspace(-2, 30, 33)
    outputs = torch.zeros(len(margins), classes, dtype=torch.float64)
    outputs[:, 0] = torch.tensor(margins)
    t = torch.ones(len(margins), dtype=torch.long)
    predicted = confident_error(margins, classes)
    for loss, pull in (
        (losses.CrossEntropy(), predicted.cross_entropy),
        (losses.HalfSquaredError("softmax"), predicted.half_squared_error),
        (losses.AbsoluteError("softmax"), predicted.absolute_error),
    ):
        delta = loss.delta(outputs, t).numpy()
        np.testing.assert_allclose(delta[:, 0], pull.leader, rtol=1e-11)
        np.testing.assert_allclose(delta[:, 1], pull.right, rtol=1e-11)
        if classes > 2:
            np.testing.assert_allclose(delta[:, 2], pull.other, rtol=1e-9, atol=1e-28)
        np.testing.assert_allclose(np.linalg.norm(delta, axis=1), pull.norm, rtol=1e-11)


def test_a_certain_error_is_ignored_by_all_but_cross_entropy():
    """At a margin of 24 the pull is sqrt 2 against about 1e-10."""
    found = confident_error(np.array([24.0]), 2)
    assert found.cross_entropy.norm.item() == pytest.approx(math.sqrt(2), rel=1e-9)
    assert found.half_squared_error.norm.item() == pytest.approx(
        2 * math.sqrt(2) * math.exp(-24), rel=1e-9
    )
    assert found.absolute_error.norm.item() == pytest.approx(
        2 * math.sqrt(2) * math.exp(-24), rel=1e-9
    )
