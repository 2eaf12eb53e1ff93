"""The tangent kernel, stable learning rates and advice, against autograd on drawn networks."""

import math

import pytest
import torch

from experiments.activations import Identity, ReLU, Sigmoid, Softplus, Tanh
from experiments.core.errors import ConfigurationError
from experiments.initializers import Gaussian, Glorot, He
from experiments.losses import CrossEntropy, HalfSquaredError
from experiments.models import MLP
from experiments.theory import BatchMoments, critical, finite_width, mean_field
from experiments.theory.advice import advise
from experiments.theory.kernel import stable_learning_rates, tangent_kernel

EXAMPLES, FEATURES, CLASSES = 24, 20, 4


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy examples round a centre for each class."""
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(EXAMPLES) % CLASSES
    centres = torch.randn(CLASSES, FEATURES, generator=generator, dtype=torch.float64)
    noise = torch.randn(EXAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    return centres[t] + 0.5 * noise, t


def parameter_gradients(net: MLP, x: torch.Tensor) -> torch.Tensor:
    """(examples, outputs, parameters) by autograd."""
    rows = []
    for row in net(x):
        for output in row:
            parts = torch.autograd.grad(output, list(net.parameters()), retain_graph=True)
            rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows).unflatten(0, (len(x), -1))


SETTINGS = [
    (Tanh(), critical(Tanh()), 6),
    (Tanh(), Gaussian(2.0, 0.2), 4),
    (ReLU(), He(), 4),
    (Sigmoid(), Glorot(), 3),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("activation", "initializer", "depth"), SETTINGS)
def test_kernels_and_learning_rates_are_those_of_drawn_networks(
    activation, initializer, depth: int
) -> None:
    """Theta near its mean over draws (15 and 25 %); 2 / lambda of the Gauss-Newton matrix in bounds.

    The steepest direction of one draw is steeper than that of the mean kernel: a factor 1.6 is given.
    """
    x, t = data()
    widths = (FEATURES, *[80] * depth, CLASSES)
    batch = BatchMoments.of(x, torch.ones(EXAMPLES, CLASSES))
    kernel = tangent_kernel(widths, activation, initializer, batch)
    loss = CrossEntropy()
    rates = stable_learning_rates(kernel, loss, t, CLASSES)
    own, pair, measured = [], [], []
    for seed in range(4):
        net = MLP(widths, activation, initializer, seed=seed)
        gradients = parameter_gradients(net, x)
        theta = torch.einsum("ikp,jkp->ij", gradients, gradients) / CLASSES
        own.append(float(theta.diag().mean()))
        pair.append(float((theta.sum() - theta.diag().sum()) / (EXAMPLES * (EXAMPLES - 1))))
        values, vectors = torch.linalg.eigh(loss.hessian(net(x), t).detach())
        roots = vectors * values.clamp(min=0).sqrt()[:, None]
        rows = torch.einsum("ikp,ikm->imp", gradients, roots).flatten(0, 1) / math.sqrt(EXAMPLES)
        measured.append(2 / float(torch.linalg.eigvalsh(rows @ rows.T)[-1]))
    assert sum(own) / 4 == pytest.approx(kernel.diagonal, rel=0.15)
    assert sum(pair) / 4 == pytest.approx(kernel.off_diagonal, rel=0.25, abs=0.03 * kernel.diagonal)
    typical = math.exp(sum(map(math.log, measured)) / 4)
    assert rates.safe / 1.6 < typical < rates.limit
    assert rates.safe < rates.limit


def test_a_linear_models_kernel_is_exact() -> None:
    """Depth 0: x . x' + 1, and gradient descent on half squared error turns unstable at 2 / lambda."""
    x, t = data()
    batch = BatchMoments.of(x, torch.ones(EXAMPLES, 1), classes=EXAMPLES)
    kernel = tangent_kernel((FEATURES, 1), Identity(), Glorot(), batch)
    assert kernel.diagonal == pytest.approx(float(x.square().sum(1).mean()) + 1)
    rates = stable_learning_rates(kernel, HalfSquaredError(), t[:, None].double(), 1)
    assert rates.safe == pytest.approx(2 / kernel.diagonal)


def test_exploding_kernels_leave_no_stable_rate() -> None:
    """A thousand chaotic layers: the kernel overflows to a number, the stable rate is next to 0, not NaN."""
    kernel = tangent_kernel((50,) * 302, ReLU(), Gaussian(50.0), BatchMoments(1.0, 1.0))
    rates = stable_learning_rates(kernel, HalfSquaredError(), torch.zeros(3, 50), 50)
    assert 0 <= rates.safe < 1e-200


def test_advice_for_tanh_is_the_critical_start_and_its_numbers() -> None:
    """60 layers of 256: the critical point, factor 1, an interval of sigma_w whose ends reach 60 / 6."""
    x, t = data()
    advice = advise(Tanh(), 60, 256, CrossEntropy(), x, t, CLASSES)
    assert advice.critical
    assert advice.initializer == critical(Tanh())
    assert (advice.factor, advice.trainable_depth) == (pytest.approx(1), math.inf)
    assert advice.sigma_w_range is not None
    for end in advice.sigma_w_range:
        point = mean_field.fixed_point(Tanh(), end, advice.start.sigma_b)
        assert 6 * point.xi_c == pytest.approx(60, rel=0.1)
    layers = finite_width.gradient_scatter(
        Tanh(), advice.start.sigma_w, advice.start.sigma_b, 70, float(x.square().mean())
    )
    assert advice.beta == pytest.approx(layers[59] / 256)
    assert layers[int(advice.fluctuation_depth) - 1] < 256 < layers[int(advice.fluctuation_depth)]
    assert advice.optimal_depth == pytest.approx(256 * (4 / (20 + 3 * CLASSES)) / (2 / 3))
    assert 0 < advice.adam[0] < advice.adam[1] < 0.01
    assert 0 < advice.sgd.safe < advice.sgd.limit
    assert [row.initializer for row in advice.common] == [
        "glorot",
        "he",
        "lecun",
        "orthogonal",
        "torch_default",
    ]
    assert advice.notes == ()


@pytest.mark.parametrize(
    ("own", "depth"),
    # n Var ln of the squared gradient a layer; ReLU's is 5: 64 / 5 layers
    [(5.0, 64 / 5), (0.5, 64 / 0.5), (0.0, math.inf)],
)
def test_the_depth_of_scatter_one_is_found_for_any_pace(own, depth, monkeypatch) -> None:
    """Between two layers, beyond those that were looked at, or nowhere."""
    x, t = data()
    monkeypatch.setattr(
        "experiments.theory.advice.gradient_scatter",
        lambda activation, w, b, layers, inputs: [own * (k + 1) for k in range(layers)],
    )
    advice = advise(ReLU(), 3, 64, CrossEntropy(), x, t, CLASSES)
    assert advice.fluctuation_depth == pytest.approx(depth)


@pytest.mark.parametrize(("depth", "width", "word"), [(-1, 64, "depth=-1"), (3, 0, "width=0")])
def test_no_network_gets_no_advice(depth, width, word) -> None:
    """A negative depth and a width of 0 are named."""
    x, t = data()
    with pytest.raises(ConfigurationError, match=word):
        advise(Tanh(), depth, width, CrossEntropy(), x, t, CLASSES)


@pytest.mark.parametrize(
    ("activation", "depth", "width", "words"),
    [
        (Softplus(), 10, 400, ("no critical point", "Mean field calls")),
        (Sigmoid(), 3, 400, ("weights 10.2 times",)),
        (ReLU(), 50, 50, ("use 250 neurons",)),
    ],
)
def test_advice_says_what_else_must_be_said(activation, depth, width, words) -> None:
    """No critical point, an impractical one, a depth beyond 6 xi_c, a width too small: one note each."""
    x, t = data()
    advice = advise(activation, depth, width, CrossEntropy(), x, t, CLASSES)
    assert len(advice.notes) == len(words)
    for word, note in zip(words, advice.notes, strict=True):
        assert word in note
