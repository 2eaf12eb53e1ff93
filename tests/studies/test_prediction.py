"""The study's prediction against networks drawn here in NumPy, and against published factors."""

import itertools

import numpy as np
import pytest

from experiments.core.errors import ConfigurationError
from experiments.studies.reading.prediction import predict
from experiments.studies.reading.rooms import activation_of, dataset_of, initializer_of, loss_of

ROW = {"activation": "tanh", "initializer": "glorot", "data": "digits", "loss": "cross_entropy",
       "model.width": 64, "trainer.batch_size": 64}  # fmt: skip


def _measured(x: np.ndarray, t: np.ndarray, depth: int, seeds: int) -> np.ndarray:
    """Mean log10 ||delta^[l]|| relative to the output, of tanh networks with Glorot's uniform law."""
    rng = np.random.default_rng(0)
    widths = [x.shape[1], *[64] * depth, 10]
    profiles = []
    for _ in range(seeds):
        weights = [
            rng.uniform(-1, 1, (n, m)) * np.sqrt(6 / (n + m)) for m, n in itertools.pairwise(widths)
        ]
        a, values = x, []
        for w in weights[:-1]:
            a = np.tanh(a @ w.T)
            values.append(a)
        z = a @ weights[-1].T
        p = np.exp(z - z.max(1, keepdims=True))
        delta = p / p.sum(1, keepdims=True) - np.eye(10)[t]
        norms = [np.linalg.norm(delta)]
        for w, value in zip(weights[:0:-1], values[::-1], strict=True):
            delta = (delta @ w) * (1 - value**2)
            norms.append(np.linalg.norm(delta))
        profiles.append(np.log10(norms[::-1]) - np.log10(norms[0]))
    return np.mean(profiles, axis=0)


@pytest.mark.parametrize("depth", [3, 12])
def test_the_profile_is_that_of_drawn_networks(depth: int) -> None:
    """Every layer's mean log10 norm within 0.04 decades (10 %) of 40 drawn networks, and nothing fitted."""
    train = dataset_of(ROW).load().train
    x, t = train.x[:64].numpy().astype(np.float64), train.t[:64].numpy()
    predicted = predict(ROW, deepest=12).log10_profile(depth)
    np.testing.assert_allclose(predicted, _measured(x, t, depth, seeds=40), atol=0.04)


def test_one_prediction_serves_all_depths() -> None:
    """Networks that differ in depth alone share their lower layers, to the accuracy of the theory."""
    shallow, deep = predict(ROW, deepest=6), predict(ROW, deepest=20)
    np.testing.assert_allclose(shallow.log10_profile(6), deep.log10_profile(6), atol=2e-3)


@pytest.mark.parametrize(
    ("activation", "initializer", "factor"),
    [("relu", "glorot", 0.5**0.5), ("relu", "he", 1.0), ("sigmoid", "lecun", 0.05572070677**0.5),
     ("tanh", "torch_default", 3**-0.5), ("tanh", "critical", 1.0)],
)  # fmt: skip
def test_the_limit_is_the_published_factor(
    activation: str, initializer: str, factor: float
) -> None:
    """sqrt(chi) far from the input: closed forms for ReLU, published values for the others."""
    row = ROW | {"activation": activation, "initializer": initializer, "model.width": 100_000}
    assert predict(row, deepest=2).limit == pytest.approx(factor, rel=1e-3)


def test_what_is_no_room_is_not_predicted() -> None:
    """A user's own option has no room to ask; the study goes on without a prediction."""
    assert predict(ROW | {"activation": "my_own"}, deepest=3) is None
    with pytest.raises(ConfigurationError, match="found activation='my_own'"):
        activation_of(ROW | {"activation": "my_own"})


def test_settings_reach_their_objects_and_holes_do_not() -> None:
    """Arguments come from the row under their config keys; NaN and None mean the option has no such one."""
    row = {"activation": "elu", "activation.alpha": 0.25, "activation.slope": float("nan")}
    assert activation_of(row).alpha == 0.25
    row = {"initializer": "gaussian", "initializer.sigma_w": 3.0, "initializer.sigma_b": None}
    assert initializer_of(row).weight_variance(n=5, n_prev=9) == pytest.approx(1.0)
    assert loss_of({"loss": "half_squared_error", "loss.link": "softmax"}).link == "softmax"


@pytest.mark.parametrize("sizes", [{"model.width": None}, {"model.parameters": 10_000}])
def test_nothing_is_predicted_for_widths_that_the_row_does_not_hold(sizes) -> None:
    """Hidden layers of several widths, or of one that follows from the depth."""
    assert predict(ROW, 3) is not None
    assert predict(ROW | sizes, 3) is None
