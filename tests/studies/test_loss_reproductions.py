"""Published contests between losses: in the house's own runs, with the published tolerances."""

from pathlib import Path

import pytest
import torch
from tests.app.command import train

from experiments.core.loss import Loss
from experiments.core.study import Findings
from experiments.data import MNIST1D
from experiments.losses import CrossEntropy, HalfSquaredError
from experiments.reporting.collect import collect
from experiments.studies import (
    CalibrationAfterTemperature,
    ClassImbalance,
    DepthWall,
    LabelNoise,
    LearningSlowdown,
    MNIST1DBaselines,
    MSEvsCrossEntropy,
    SaturatedStart,
)


def _findings(study: type, folder: Path, *overrides: str) -> Findings:
    """The study by its own command, and what it found."""
    answer = train(f"study={folder.name}", f"runs_dir={folder.parent}", *overrides)
    assert answer.status == 0, answer.err
    collection = collect(folder)
    return study().findings(collection.results, collection.ledger, folder)


@pytest.mark.slow
def test_nielsens_neuron_as_a_study(tmp_path: Path) -> None:
    """13.6 times as many steps for squared error, and six outputs to 1e-8 (Nielsen, chapter 3)."""
    found = _findings(LearningSlowdown, tmp_path / "learning_slowdown", "optimizer.lr=0.15")
    assert [v.outcome for v in found.verdicts] == ["confirmed", "confirmed"]
    assert (
        "squared error after 232 steps and with cross-entropy after 17 steps"
        in found.verdicts[0].sentence
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "train_part", "test_part", "cost"),
    [(CrossEntropy(), 37.2, 31.6, 1.673), (HalfSquaredError("identity"), 23.8, 22.0, None)],
    ids=["cross entropy", "squared error"],
)
def test_a_linear_network_on_mnist1d_as_published(
    loss: Loss, train_part: float, test_part: float, cost: float | None
) -> None:
    """Adam .01, batches of 100 in the order of the file: accuracies to half a point.

    The authors' loop makes 6,001 steps, and it matters: from step to step the squared error's test
    accuracy moves by up to two points.
    """
    splits = MNIST1D(validation=0).load()
    model = torch.nn.Linear(40, 10)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(6001):
        batch = torch.arange(100 * step, 100 * step + 100) % len(splits.train)
        optimizer.zero_grad()
        loss(model(splits.train.x[batch]), splits.train.t[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        train_found, test_found = (
            100 * float(loss.correct(model(part.x), part.t).float().mean())
            for part in (splits.train, splits.test)
        )
        if cost is not None:
            assert float(loss(model(splits.test.x), splits.test.t)) == pytest.approx(cost, abs=5e-3)
    assert train_found == pytest.approx(train_part, abs=0.5)
    assert test_found == pytest.approx(test_part, abs=0.5)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("study", "name", "judged"),
    [
        (DepthWall, "depth_wall", ["confirmed", "confirmed"]),
        (LabelNoise, "label_noise", ["confirmed"]),
        (SaturatedStart, "saturated_start", ["confirmed", "confirmed"]),
        (ClassImbalance, "class_imbalance", ["confirmed"]),
        (CalibrationAfterTemperature, "calibration_after_temperature", ["confirmed"]),
        # ten seeds do not tell the linear network's test accuracy to the half point that is asked for
        (MNIST1DBaselines, "mnist1d_baselines", ["undecided", "confirmed"]),
        (MSEvsCrossEntropy, "mse_vs_cross_entropy", ["confirmed", "confirmed", "confirmed"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_claims_at_full_length(
    study: type, name: str, judged: list[str], tmp_path: Path
) -> None:
    """Each study by its own command confirms what it claims, as far as its seeds decide it."""
    found = _findings(study, tmp_path / name)
    outcomes = [v.outcome for v in found.verdicts if v.outcome != "measured"]
    assert outcomes == judged
