"""Generated data sets against their geometry."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from experiments.core.errors import ConfigurationError
from experiments.data import Higham, Rings, Spirals, Teacher, UnitCube, power, sine, tent


def test_rings_have_their_radii() -> None:
    """Without noise class c lies at radius (c + 1) / K, at angles all round."""
    train = Rings(classes=4, noise=0.0, standardize="none").load().train
    torch.testing.assert_close(train.x.norm(dim=1), (train.t + 1) / 4)
    angle = torch.atan2(train.x[:, 1], train.x[:, 0])
    counts = torch.histc(angle, 8, -math.pi, math.pi)
    assert ((counts - 175).abs() < 5 * math.sqrt(175)).all()


def test_noise_has_its_standard_deviation() -> None:
    """The distance of a noisy ring point from its ring has about the set noise."""
    train = Rings(classes=2, noise=0.01, standardize="none", examples=20_000).load().train
    assert (train.x.norm(dim=1) - (train.t + 1) / 2).std() == pytest.approx(0.01, rel=0.05)


def test_spirals_wind() -> None:
    """Unwound by 2 pi turns r, every arm is a ray at the angle 2 pi c / K; the disc is filled evenly."""
    train = Spirals(classes=3, turns=2.5, noise=0.0, standardize="none").load().train
    r = train.x.norm(dim=1)
    unwound = torch.atan2(train.x[:, 1], train.x[:, 0]) - 2 * math.pi * (2.5 * r + train.t / 3)
    torch.testing.assert_close(unwound.cos(), torch.ones_like(r), rtol=0, atol=1e-5)
    assert float((r < math.sqrt(0.5)).float().mean()) == pytest.approx(0.5, abs=0.07)


def test_generated_classes_are_balanced() -> None:
    """Every class has its share of every part."""
    splits = Spirals(classes=4, examples=1200, validation=200, test=0.25).load()
    sizes = [part.t.bincount().tolist() for part in (splits.train, splits.val, splits.test)]
    assert sizes == [[175] * 4, [50] * 4, [75] * 4]


def test_highams_points() -> None:
    """The coordinates and classes printed in the paper's program, and its eleventh point."""
    x1 = [0.1, 0.3, 0.1, 0.6, 0.4, 0.6, 0.5, 0.9, 0.4, 0.7]
    x2 = [0.1, 0.4, 0.5, 0.9, 0.2, 0.3, 0.6, 0.2, 0.4, 0.6]
    ten, eleven = Higham().load(), Higham(eleventh=True).load()
    assert torch.equal(ten.train.x, torch.tensor([x1, x2]).T)
    assert ten.train.t.tolist() == [0] * 5 + [1] * 5
    assert torch.equal(eleven.train.x[:10], ten.train.x)
    assert (eleven.train.x[10].tolist(), int(eleven.train.t[10])) == (
        pytest.approx([0.3, 0.7]),
        1,
    )
    assert len(ten.val) == len(ten.test) == 0


def test_a_linear_teacher_is_linear() -> None:
    """Depth 0: least squares on the training part predicts the test part to rounding."""
    splits = Teacher(features=6, outputs=2, teacher_depth=0).load()
    v = np.linalg.lstsq(splits.train.x.double(), splits.train.t.double(), rcond=None)[0]
    np.testing.assert_allclose(splits.test.x.double() @ v, splits.test.t, rtol=0, atol=1e-5)


def test_a_hard_teacher_votes() -> None:
    """Very large weights make tanh a sign: one neuron gives one magnitude and both signs."""
    t = Teacher(teacher_width=1, sigma_w=1e6).load().train.t
    torch.testing.assert_close(t.abs(), t.abs().max().expand_as(t), rtol=1e-5, atol=0)
    assert t.min() < 0 < t.max()


def test_one_teacher_teaches_all_parts() -> None:
    """Part sizes do not change the function: the first inputs of a part keep their targets."""
    short, long = (Teacher(train_examples=n, teacher_depth=3).load().train for n in (160, 320))
    assert torch.equal(short.x, long.x[:160])
    torch.testing.assert_close(short.t, long.t[:160])


def test_noise_is_in_the_training_targets_alone() -> None:
    """Same inputs, same clean targets elsewhere, and the set standard deviation on train."""
    clean, noisy = (Teacher(noise=n, train_examples=4000).load() for n in (0.0, 0.5))
    assert torch.equal(clean.train.x, noisy.train.x)
    assert torch.equal(clean.val.t, noisy.val.t)
    assert torch.equal(clean.test.t, noisy.test.t)
    assert float((noisy.train.t - clean.train.t).std()) == pytest.approx(0.5, rel=0.06)


def test_a_target_of_ones_own_is_rounded_to_float32() -> None:
    """Whatever type it computes in."""
    train = UnitCube(target=lambda x: x.double().sum(1) / 3).load().train
    assert train.t.dtype == torch.float32
    torch.testing.assert_close(train.t, train.x / 3)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_tents_compose(k) -> None:
    """The tent of 2^(k-1) cycles is m(x) = 1 - |1 - 2x| composed k times (Telgarsky)."""
    x = torch.rand(500, 1, dtype=torch.float64)
    composed = x[:, 0]
    for _ in range(k):
        composed = 1 - (1 - 2 * composed).abs()
    torch.testing.assert_close(tent(x, cycles=2.0 ** (k - 1)), composed, rtol=0, atol=1e-12)


def test_targets_are_means_over_coordinates() -> None:
    """sine and power against NumPy, in three dimensions, as the data set hands them out."""
    formulas = {
        partial(sine, cycles=2.0): lambda x: np.sin(4 * np.pi * x).mean(1),
        partial(power, exponent=3): lambda x: (x**3).mean(1),
    }
    for target, formula in formulas.items():
        train = UnitCube(dimension=3, target=target).load().train
        assert train.x.min() >= 0
        assert train.x.max() < 1
        np.testing.assert_allclose(train.t[:, 0], formula(train.x.double().numpy()), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Teacher(features=0), "features=0"),
        (lambda: Teacher(teacher_depth=-1), "teacher_depth=-1"),
        (lambda: Teacher(sigma_w=math.nan), "sigma_w=nan"),
        (lambda: Teacher(noise=-0.5), "noise=-0.5"),
        (lambda: UnitCube(dimension=0), "dimension=0"),
        (lambda: UnitCube(train_examples=0), "train_examples=0"),
        (lambda: UnitCube(target=torch.sin, dimension=2).load(), r"values of shape \(1000, 2\)"),
    ],
)
def test_bad_settings_are_refused(make, named) -> None:
    """The message names the setting and what it was."""
    with pytest.raises(ConfigurationError, match=named):
        make()
