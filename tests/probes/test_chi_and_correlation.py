"""Effective chi, gradient ratios, lengths and correlations of live networks, against NumPy and autograd."""

import math

import jaxtyping
import numpy as np
import pytest
import torch

from experiments.activations import ReLU, Tanh
from experiments.initializers import Gaussian, He, LeCun
from experiments.losses import CrossEntropy, HalfSquaredError
from experiments.models import MLP
from experiments.probes import correlations, effective_chi, gradient_ratio, lengths

pytestmark = pytest.mark.usefixtures("float64")


def test_gradient_ratios_are_those_of_autograd() -> None:
    """(|delta_l|^2 / n_l) / (|delta_l+1|^2 / n_l+1), with delta from autograd, for a stack and alone."""
    widths, x, t = (4, 6, 5, 3), torch.randn(7, 4), torch.randint(3, (7,))
    stack = MLP(widths, Tanh(), LeCun(), runs=2, seed=0)
    found = gradient_ratio(stack, x, t, CrossEntropy())
    assert found.shape == (2, 2)
    for r in range(2):
        net = MLP(widths, Tanh(), LeCun(), seed=r)
        a, zs = x, []
        for layer in net.dense_layers:
            z = (a @ layer.weight.T + layer.bias).requires_grad_()
            zs.append(z)
            a = torch.tanh(z) if layer is not net.dense_layers[-1] else z
        deltas = torch.autograd.grad(torch.nn.functional.cross_entropy(a, t), zs)
        size = [float(d.square().sum()) / d.shape[1] for d in deltas]
        expected = [size[0] / size[1], size[1] / size[2]]
        np.testing.assert_allclose(found[:, r], expected, rtol=1e-10)
        alone = gradient_ratio(net, x, t, CrossEntropy())
        np.testing.assert_allclose(alone, expected, rtol=1e-10)
        assert all(p.grad is None for p in net.parameters())


def test_effective_chi_is_the_mean_squared_singular_value_of_a_layer() -> None:
    """||D W^T||_F^2 / n_l, by NumPy, averaged over the batch."""
    net = MLP((4, 6, 5, 3), Tanh(), LeCun(), seed=0)
    x = torch.randn(3, 4)
    found = effective_chi(net, x)
    a = x
    for k, layer in enumerate(net.dense_layers[:-1]):
        z, a = layer.trace(a)
        above = net.weights[k + 1].detach().numpy()
        norms = [
            np.linalg.norm(np.diag(1 - np.tanh(row) ** 2) @ above.T) ** 2 / len(row)
            for row in z.detach().numpy()
        ]
        assert float(found[k]) == pytest.approx(np.mean(norms), rel=1e-10)


def test_a_dead_gradient_is_an_outcome() -> None:
    """Where a layer above passes nothing the ratio is NaN (0 / 0) below, and nothing raises."""
    net = MLP((3, 4, 4, 2), ReLU(), He(), seed=0)
    with torch.no_grad():
        net.biases[1].fill_(-100.0)
    ratio = gradient_ratio(net, torch.ones(2, 3), torch.ones(2, 2), HalfSquaredError())
    assert math.isnan(ratio[0])
    assert ratio[1] == 0


def test_a_linear_model_has_no_ratios() -> None:
    """Depth 0: an empty result, with the run axis in place."""
    stack = MLP((3, 2), Tanh(), LeCun(), runs=4, seed=0)
    assert effective_chi(stack, torch.ones(1, 3)).shape == (0, 4)


def test_lengths_and_correlations_are_numpys() -> None:
    """Mean squares and cosines of z, layer by layer, run by run, example by example."""
    stack = MLP((4, 6, 5), Tanh(), Gaussian(1.5, 0.3), runs=2, seed=0)
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    q, c = lengths(stack, x), correlations(stack, x, y)
    assert q.shape == c.shape == (2, 2, 3)
    for r in range(2):
        ax, ay = x.numpy(), y.numpy()
        for k in range(2):
            w, b = stack.weights[k][r].detach().numpy(), stack.biases[k][r].detach().numpy()
            zx, zy = ax @ w.T + b, ay @ w.T + b
            np.testing.assert_allclose(q[k, r], (zx**2).mean(1), rtol=1e-12)
            cosine = (zx * zy).sum(1) / np.sqrt((zx**2).sum(1) * (zy**2).sum(1))
            np.testing.assert_allclose(c[k, r], cosine, rtol=1e-10)
            ax, ay = np.tanh(zx), np.tanh(zy)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e200])
def test_angles_do_not_depend_on_lengths(size: float) -> None:
    """Signals whose squares are no floats have the cosine of their directions; a zero has none."""
    net = MLP((4, 6), Tanh(), Gaussian(1.5, 0.0), seed=0)
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    w = net.weights[0].detach().numpy()
    zx, zy = x.numpy() @ w.T, y.numpy() @ w.T
    cosine = (zx * zy).sum(1) / np.sqrt((zx**2).sum(1) * (zy**2).sum(1))
    np.testing.assert_allclose(correlations(net, size * x, size * y)[0], cosine, rtol=1e-9)
    assert bool(correlations(net, 0 * x, y).isnan().all())


def test_pairs_must_match(monkeypatch) -> None:
    """One y against many x would broadcast: refused, also where annotations are not checked."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    net = MLP((4, 2), Tanh(), LeCun(), seed=0)
    with pytest.raises(ValueError, match="pair the rows"):
        correlations(net, torch.ones(3, 4), torch.ones(1, 4))


def test_effective_chi_is_for_plain_layers() -> None:
    """With skips a layer is not D W: refused, naming the probes that can."""
    net = MLP((4, 4, 4, 2), Tanh(), LeCun(), seed=0, skip=True)
    with pytest.raises(ValueError, match="gradient_ratio"):
        effective_chi(net, torch.ones(1, 4))
    assert gradient_ratio(net, torch.ones(1, 4), torch.ones(1, 2), HalfSquaredError()).shape == (2,)
