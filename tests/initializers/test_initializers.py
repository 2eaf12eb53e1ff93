"""What is peculiar to each initializer: its law, its arguments, its refusals."""

import math

import pytest
import torch
from scipy import stats

from experiments.core.errors import ConfigurationError
from experiments.core.initializer import require_distribution
from experiments.initializers import (
    Constant,
    Gaussian,
    Glorot,
    He,
    LeCun,
    Orthogonal,
    TorchDefault,
)

SCALED = [Glorot, He, LeCun]


def generator(seed=0):
    """A fresh stream."""
    return torch.Generator().manual_seed(seed)


def fits(sample: torch.Tensor, law) -> bool:
    """Kolmogorov-Smirnov, refusing one true law in ten thousand."""
    return stats.kstest(sample.flatten().numpy(), law.cdf).pvalue > 1e-4


@pytest.mark.parametrize("room", SCALED)
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_the_named_law_is_drawn(room, distribution) -> None:
    """Weights follow the named distribution at the promised variance."""
    initializer = room(distribution=distribution)
    s = math.sqrt(initializer.weight_variance(100, 80))
    r = math.sqrt(3) * s
    law = stats.norm(0, s) if distribution == "normal" else stats.uniform(-r, 2 * r)
    other = stats.uniform(-r, 2 * r) if distribution == "normal" else stats.norm(0, s)
    weight = initializer.weight(100, 80, generator())
    assert fits(weight, law)
    assert not fits(weight, other)


def test_gaussian_scales() -> None:
    """Var W = sigma_w^2 / n_in and Var b = sigma_b^2, both normal."""
    room = Gaussian(sigma_w=1.5, sigma_b=0.3)
    assert fits(room.weight(50, 100, generator()), stats.norm(0, 0.15))
    assert fits(room.bias(5000, 100, generator()), stats.norm(0, 0.3))


@pytest.mark.parametrize("room", [Gaussian, *SCALED, Orthogonal])
def test_scales_of_one_seed_are_paired(room) -> None:
    """A bias scale leaves the weights and the state of the generator as they are."""
    first, second = generator(), generator()
    without, large = room(), room(sigma_b=2.0)
    assert torch.equal(without.weight(4, 3, first), large.weight(4, 3, second))
    assert not without.bias(4, 3, first).any()
    assert large.bias(4, 3, second).all()
    assert torch.equal(first.get_state(), second.get_state())


def test_he_knows_the_leaky_slope() -> None:
    """Var W = 2 / ((1 + s^2) n_in): a slope of 1 is a linear net, LeCun's variance."""
    assert He(negative_slope=1.0).weight_variance(7, 50) == LeCun().weight_variance(7, 50)
    assert He(negative_slope=0.2).weight_variance(7, 50) == pytest.approx(0.04 / 1.04)


@pytest.mark.parametrize("shape", [(30, 30), (50, 20), (20, 50), (1, 9), (9, 1)], ids=str)
def test_orthogonal_to_rounding(shape) -> None:
    """The shorter side's vectors are orthonormal times gain, to 1e-12."""
    weight = Orthogonal(gain=1.5).weight(*shape, generator()) / 1.5
    gram = weight.T @ weight if shape[0] >= shape[1] else weight @ weight.T
    assert (gram - torch.eye(len(gram))).abs().max() < 1e-12


def test_orthogonal_is_uniform_over_rotations() -> None:
    """Haar measure on O(4): E tr Q = 0, E (tr Q)^2 = 1, det = +-1 evenly (Diaconis & Shahshahani)."""
    draws = generator()
    q = torch.stack([Orthogonal().weight(4, 4, draws) for _ in range(4000)])
    trace = q.diagonal(dim1=1, dim2=2).sum(1)
    assert abs(trace.mean()) < 5 / math.sqrt(4000)
    # the fourth moment is 3, so the variance of tr^2 is 2
    assert abs(trace.square().mean() - 1) < 5 * math.sqrt(2 / 4000)
    assert abs(torch.linalg.det(q).mean()) < 5 / math.sqrt(4000)


def test_torch_default_is_what_linear_draws() -> None:
    """Weights and biases of torch.nn.Linear come from the same law (two-sample test)."""
    linear = torch.nn.Linear(60, 400)
    ours = TorchDefault()
    for torchs, drawn in (
        (linear.weight, ours.weight(400, 60, generator())),
        (linear.bias, ours.bias(400, 60, generator())),
    ):
        found = stats.ks_2samp(torchs.detach().flatten().numpy(), drawn.flatten().numpy())
        assert found.pvalue > 1e-4
        assert drawn.abs().max() <= 1 / math.sqrt(60)


def test_constant_is_constant() -> None:
    """Every weight is w, every bias b, and the promised mean squares are w^2 and b^2."""
    room = Constant(w=-0.6, b=0.9)
    assert (room.weight(2, 3, generator()) == -0.6).all()
    assert (room.bias(2, 3, generator()) == 0.9).all()
    assert (room.weight_variance(2, 3), room.bias_variance(2, 3)) == pytest.approx((0.36, 0.81))


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    ("room", "name"),
    [
        (Gaussian, "sigma_w"),
        (Gaussian, "sigma_b"),
        (Glorot, "sigma_b"),
        (LeCun, "sigma_b"),
        (He, "sigma_b"),
        (He, "negative_slope"),
        (Orthogonal, "gain"),
        (Orthogonal, "sigma_b"),
    ],
)
def test_bad_scales_are_refused_by_name(room, name, bad) -> None:
    """A scale that is negative or not finite raises at construction and says which it is."""
    with pytest.raises(ConfigurationError, match=f"{name}={bad}"):
        room(**{name: bad})


def test_other_refusals() -> None:
    """An unknown law, and a constant that is no number, are refused."""
    with pytest.raises(ConfigurationError, match="cauchy"):
        require_distribution("cauchy")  # in the tests a room's own annotation refuses it earlier
    with pytest.raises(ConfigurationError, match="b=nan"):
        Constant(b=math.nan)
