"""Known answers: the deltas and curvatures of the literature, and a textbook neuron."""

import math

import pytest
import torch

from experiments.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    RescaledSquaredError,
    SquaredError,
)

pytestmark = pytest.mark.usefixtures("float64")


def sigmoid(z):
    """1 / (1 + e^-z), by the standard library."""
    return 1 / (1 + math.exp(-z))


def probabilities(z):
    """softmax(z), by the standard library."""
    powers = [math.exp(x) for x in z]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (HalfSquaredError("identity"), lambda z, y: [x - t for x, t in zip(z, y, strict=True)]),
        (
            HalfSquaredError("sigmoid"),
            lambda z, y: [
                (sigmoid(x) - t) * sigmoid(x) * (1 - sigmoid(x)) for x, t in zip(z, y, strict=True)
            ],
        ),
        (
            HalfSquaredError("softmax"),
            lambda z, y: [
                p
                * (
                    (p - t)
                    - sum(q * (q - s) for q, s in zip(probabilities(z), y, strict=True))
                )
                for p, t in zip(probabilities(z), y, strict=True)
            ],
        ),
        (
            BinaryCrossEntropy(),
            lambda z, y: [sigmoid(x) - t for x, t in zip(z, y, strict=True)],
        ),
        (
            CrossEntropy(),
            lambda z, y: [p - t for p, t in zip(probabilities(z), y, strict=True)],
        ),
    ],
    ids=lambda value: "formula" if callable(value) and not hasattr(value, "link") else repr(value),
)  # fmt: skip
def test_delta_table(loss, expected):
    """The textbook's delta for every head, to 1e-12: a - y, (a - y) a (1 - a), and so on."""
    for seed in range(5):
        z = torch.randn(3, generator=torch.Generator().manual_seed(seed))
        for y in range(3):
            rows = [float(j == y) for j in range(3)]
            found = loss.delta(z[None], torch.tensor([y]))[0]
            torch.testing.assert_close(
                found, torch.tensor(expected(z.tolist(), rows)), rtol=0, atol=1e-12
            )


def test_slope_of_squared_error_on_a_sigmoid_is_largest_at_two_thirds():
    """y = 0: C' = s^2 (1 - s), at most 4/27, at s = 2/3, which is z = ln 2."""
    loss, y = HalfSquaredError("sigmoid"), torch.tensor([0])
    assert loss.delta(torch.tensor([[math.log(2)]]), y).item() == pytest.approx(4 / 27, abs=1e-15)
    z = torch.linspace(-5, 5, 4001)[:, None]
    assert loss.delta(z, torch.zeros(4001, dtype=torch.long)).max() <= 4 / 27 + 1e-15


def test_squared_error_on_a_sigmoid_is_not_convex_beyond_ln_two():
    """y = 0: C'' < 0 exactly for z > ln 2, and least, -0.06010220, at s = 0.864357."""
    loss = HalfSquaredError("sigmoid")
    z = torch.linspace(-12, 12, 24_001)[:, None]
    curvature = loss.hessian(z, torch.zeros(len(z), dtype=torch.long)).flatten()
    assert torch.equal(curvature < 0, z.flatten() > math.log(2))
    lowest = curvature.argmin()
    assert curvature[lowest].item() == pytest.approx(-0.06010220, abs=1e-8)
    assert sigmoid(z[lowest].item()) == pytest.approx(0.864357, abs=1e-4)


def test_gradient_ratio_of_the_confidently_wrong_neuron():
    """Nielsen's s = 0.98201 (z = 4): cross-entropy's delta is 56.616 times squared error's."""
    z, y = torch.tensor([[4.0]]), torch.tensor([0])
    ratio = BinaryCrossEntropy().delta(z, y) / HalfSquaredError("sigmoid").delta(z, y)
    assert ratio.item() == pytest.approx(56.616, abs=1e-3)


def test_squared_error_on_a_softmax_stops_where_the_answer_is_confidently_wrong():
    """24 logits on the wrong side: cross-entropy pulls with 1, squared error with 4 e^-24 / 2."""
    z, y = torch.tensor([[24.0, 0.0]]), torch.tensor([1])
    assert CrossEntropy().delta(z, y)[0, 0].item() == pytest.approx(1, abs=1e-10)
    assert HalfSquaredError("softmax").delta(z, y)[0, 0].item() == pytest.approx(
        2 * math.exp(-24), rel=1e-9
    )


@pytest.mark.parametrize("n", [2, 3, 10])
def test_sum_over_all_classes(n):
    """Ghosh's identities on a softmax: absolute error 2(K-1); squared error K |p|^2 + K - 2."""
    z = 3 * torch.randn(1, n)
    every = torch.arange(n)
    absolute = AbsoluteError("softmax").per_example(z.expand(n, n), every).sum().item()
    squared = SquaredError("softmax").per_example(z.expand(n, n), every).sum().item()
    norm = sum(p * p for p in probabilities(z[0].tolist()))
    assert absolute == pytest.approx(2 * (n - 1), rel=1e-14)
    assert squared == pytest.approx(n * norm + n - 2, rel=1e-13)
    assert n - 1 - 1e-12 <= squared <= 2 * n - 2 + 1e-12


def test_absolute_error_on_a_softmax_counts_expected_errors():
    """||p - y||_1 = 2 (1 - p_y)."""
    z = torch.tensor([[1.0, -0.3, 0.2]])
    for y in range(3):
        found = AbsoluteError("softmax").per_example(z, torch.tensor([y])).item()
        assert found == pytest.approx(2 * (1 - probabilities(z[0].tolist())[y]), rel=1e-14)


def test_rescaled_squared_error_with_one_and_one_is_the_mean():
    """k = M = 1 (few classes) is plain mean squared error; k = 15, M = 30 is the published other."""
    z, y = torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([1])
    plain = ((1.0) ** 2 + (-3.0) ** 2 + 0.5**2) / 3
    published = (1.0**2 + 15 * (-32.0) ** 2 + 0.5**2) / 3
    assert RescaledSquaredError().per_example(z, y).item() == pytest.approx(plain, rel=1e-15)
    assert RescaledSquaredError(15, 30).per_example(z, y).item() == pytest.approx(
        published, rel=1e-15
    )


@pytest.mark.parametrize(
    ("loss", "start", "lr", "after"),
    [
        (HalfSquaredError("sigmoid"), (0.6, 0.9), 0.15, 0.0939556949),
        (HalfSquaredError("sigmoid"), (2.0, 2.0), 0.15, 0.2028484243),
        (BinaryCrossEntropy(), (0.6, 0.9), 0.15, 0.0116382090),
        (BinaryCrossEntropy(), (2.0, 2.0), 0.15, 0.0120087415),
        (BinaryCrossEntropy(), (0.6, 0.9), 0.005, 0.4176792996),
        (BinaryCrossEntropy(), (2.0, 2.0), 0.005, 0.7795870642),
    ],
)
def test_nielsens_neuron(loss, start, lr, after):
    """One sigmoid neuron learning 1 -> 0 by 300 steps of gradient descent (ch. 3), to 1e-8."""
    w, b = (torch.tensor(value, requires_grad=True) for value in start)
    for _ in range(300):
        cost = loss((w + b).reshape(1, 1), torch.tensor([0]))
        gradients = torch.autograd.grad(cost, (w, b))
        with torch.no_grad():
            w -= lr * gradients[0]
            b -= lr * gradients[1]
    assert loss.prediction((w + b).reshape(1, 1)).item() == pytest.approx(after, abs=1e-8)
