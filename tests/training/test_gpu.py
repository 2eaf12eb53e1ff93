"""On a CUDA device: the numbers of the CPU, with the captured graph and without."""

import pytest
import torch
from tests.app.composing import cell, trained, vary
from tests.training.test_equal_to_alone import every_option_once, trajectory

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

#: relative; 200 steps in float64 with products summed in another order
TOLERANCE = 1e-8


def on(accelerator: str, *overrides: str):
    """Three runs with their own seeds and rates."""
    like = cell(*overrides, "trainer.precision=64-true", f"trainer.accelerator={accelerator}")
    rate = like.config["optimizer"]["lr"]
    return trained(vary(like, {"seed": (0, 1, 2), "optimizer.lr": (rate / 2, rate / 3, rate / 4)}))


@pytest.mark.parametrize("row", every_option_once(), ids="-".join)
def test_the_gpu_computes_what_the_cpu_computes(row) -> None:
    """Every optimiser, activation, initialiser and loss, from the same start and batches."""
    for found, wanted in zip(on("gpu", *row), on("cpu", *row), strict=True):
        assert trajectory(found) == pytest.approx(trajectory(wanted), rel=TOLERANCE)
        for name, state in found.state.items():
            torch.testing.assert_close(state, wanted.state[name], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    "settings", [(), ("probe=ledger", "probe.every=7")], ids=["blind", "watched"]
)
def test_a_captured_step_is_the_step(settings) -> None:
    """The CUDA graph replays what the kernels alone compute; records in between do not disturb it."""
    captured = on("gpu", *settings, "trainer.cuda_graph=true")
    plain = on("gpu", *settings, "trainer.cuda_graph=false")
    for one, other in zip(captured, plain, strict=True):
        assert trajectory(one) == pytest.approx(trajectory(other), rel=1e-12)


@pytest.mark.parametrize("batch", ["16", "null"])
def test_runs_with_data_of_their_own_on_the_gpu(batch) -> None:
    """Each seed its own split and wrong labels, small batches and whole splits."""
    own = {"seed": (0, 1, 2), "data.seed": (0, 1, 2), "data.label_noise": (0.0, 0.1, 0.2)}
    found, wanted = (
        trained(
            vary(
                cell(
                    f"trainer.accelerator={accelerator}",
                    f"trainer.batch_size={batch}",
                    "trainer.precision=64-true",
                ),
                own,
            )
        )
        for accelerator in ("gpu", "cpu")
    )
    for one, other in zip(found, wanted, strict=True):
        assert trajectory(one) == pytest.approx(trajectory(other), rel=TOLERANCE)


def test_runs_leave_on_the_gpu_too() -> None:
    """A diverging run is dropped, the graph is captured anew, and its neighbours go on."""
    like = cell(
        "trainer.accelerator=gpu", "loss=squared_error", "activation=relu", "initializer=he"
    )
    outcomes = trained(vary(like, {"optimizer.lr": (0.01, 1e20, 0.02), "seed": (0, 1, 2)}))
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged", "finished"]
    alone = trained(vary(like, {"optimizer.lr": [0.02], "seed": [2]}))[0]
    assert trajectory(outcomes[2]) == pytest.approx(trajectory(alone), rel=1e-4)
