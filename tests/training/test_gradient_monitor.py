"""Other people's models as cells: the callback, the files, and the report on them."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import pytorch_lightning as pl
import torch
from tests.training.test_loggers import read_events
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from experiments.app import report
from experiments.core.errors import ConfigurationError
from experiments.core.seeding import DATA, INITIALISATION, stream
from experiments.probes import Watch
from experiments.training.gradient_monitor import GradientMonitor
from experiments.training.watched import write_watched

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*number of training batches"),
]

BATCHES, BATCH, FEATURES, CLASSES = 6, 8, 4, 3


class Digest(pl.LightningModule):
    """A module that knows nothing of this package."""

    def __init__(self, depth: int, seed: int, fails_at: int | None = None) -> None:
        super().__init__()
        self.save_hyperparameters("depth", "seed")
        self.fails_at = fails_at
        widths = [FEATURES, *[6] * depth]
        hidden = [
            module
            for n_prev, n in itertools.pairwise(widths)
            for module in (nn.Linear(n_prev, n), nn.Tanh())
        ]
        self.net = nn.Sequential(*hidden, nn.Linear(widths[-1], CLASSES))
        generator = stream(seed, INITIALISATION)
        for parameter in self.net.parameters():
            nn.init.normal_(parameter, 0.0, 0.5, generator)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        if self.fails_at is not None and self.global_step >= self.fails_at:
            raise ZeroDivisionError
        loss = functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        outputs = self.net(batch[0])
        self.log("val_loss", functional.cross_entropy(outputs, batch[1]))
        self.log("val_accuracy", (outputs.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.2)


def fit(module: pl.LightningModule, *monitors: GradientMonitor, **settings: Any) -> pl.Trainer:
    """Two epochs of six batches."""
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(monitors),
        **settings,
    )
    x = torch.randn(BATCHES * BATCH, FEATURES, generator=stream(0, DATA))
    examples = TensorDataset(x, torch.arange(BATCHES * BATCH) % CLASSES)
    trainer.fit(module, DataLoader(examples, BATCH), DataLoader(examples, BATCHES * BATCH))
    return trainer


def only_cell(folder: Path) -> Path:
    """The one cell in a folder."""
    (cell,) = (folder / "cells").iterdir()
    return cell


def test_module_trains_as_it_does_alone_and_its_steps_are_recorded(tmp_path: Path) -> None:
    """The record of a step is that of a plain watch on the same batch."""
    alone, monitored = Digest(2, 0), Digest(2, 0)
    fit(alone)
    fit(monitored, GradientMonitor(tmp_path, every=5))
    for one, other in zip(alone.parameters(), monitored.parameters(), strict=True):
        assert torch.equal(one, other)
    ledger = pq.read_table(only_cell(tmp_path) / "ledger.parquet").to_pandas()
    assert sorted(set(ledger["step"])) == [0, 5, 10]

    model = Digest(2, 0)
    watch, x = Watch(model), torch.randn(BATCHES * BATCH, FEATURES, generator=stream(0, DATA))
    with watch.step():
        functional.cross_entropy(model.net(x[:BATCH]), torch.arange(BATCH) % CLASSES).backward()
    first = ledger[ledger["step"] == 0]
    for name in ("delta_norm", "weight_gradient_norm", "derivative_mean", "activation_variance"):
        np.testing.assert_allclose(first[name], watch.ledger()[name], rtol=1e-6)
    assert (first["update_ratio"] > 0).all()


def test_cell_has_the_modules_settings_metrics_and_curves(tmp_path: Path) -> None:
    """Under the report's names."""
    fit(Digest(1, 7), GradientMonitor(tmp_path))
    cell = only_cell(tmp_path)
    record = json.loads((cell / "record.json").read_text())
    assert record["status"] == "finished"
    assert record["axes"] == {"depth": 1, "seed": 7}
    assert set(record["metrics"]) == {"train/loss", "val/loss", "val/accuracy"}
    assert record["history"]["step"] == [6.0, 12.0]
    assert record["history"]["val/accuracy"][-1] == record["metrics"]["val/accuracy"]
    assert record["facts"] == {
        "layers": {"2": "net.0.weight", "3": "net.2.weight"},
        "activation": "tanh",
    }
    assert record["seconds"] > 0
    curves = read_events(cell).Tags()["scalars"]
    assert {"val/accuracy", "delta_norm/layer_02", "update_ratio/layer_03"} <= set(curves)


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    """Every recorded step has an update."""
    fit(Digest(1, 0), GradientMonitor(tmp_path, every=1), accumulate_grad_batches=2)
    ledger = pq.read_table(only_cell(tmp_path) / "ledger.parquet").to_pandas()
    assert sorted(set(ledger["step"])) == [0, 1, 2, 3, 4, 5]
    assert (ledger["update_ratio"] > 0).all()


def test_failed_training_leaves_no_hook_and_no_record(tmp_path: Path) -> None:
    """The error is the module's own."""
    module = Digest(1, 0, fails_at=3)
    with pytest.raises(ZeroDivisionError):
        fit(module, GradientMonitor(tmp_path, every=1))
    assert not any(p._post_accumulate_grad_hooks for p in module.parameters())
    assert torch.overrides._len_torch_function_stack() == 0
    assert not (tmp_path / "cells").exists()


def test_report_averages_seeds_and_diagnoses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two depths, three seeds; a network that is scaled up is saturated and explodes."""
    for depth in (2, 5):
        for seed in range(3):
            module = Digest(depth, seed)
            if depth == 5:
                for parameter in module.parameters():
                    parameter.data *= 30
            fit(module, GradientMonitor(tmp_path / "mine"))
    assert report.main([str(tmp_path / "mine")]) == 0
    printed = capsys.readouterr().out
    assert "6 cells in 2 configurations: 6 finished" in printed
    assert "Saturated units in 1 of 2 configurations: depth 5" in printed
    page = (tmp_path / "mine" / "report.html").read_text()
    assert "Depth profile of the gradient at initialisation" in page
    assert "Validation accuracy while training" in page


def test_plain_loop_writes_a_cell(tmp_path: Path) -> None:
    """Nested settings have dots in the table; a loss that is not finite is a divergence."""
    model = Digest(1, 0).net
    watch = Watch(model)
    with watch.step():
        functional.cross_entropy(model(torch.ones(2, FEATURES)), torch.arange(2)).backward()
    settings = {"optimizer": {"lr": 0.1}, "seed": 3}
    cell = write_watched(tmp_path, watch, settings, {"train/loss": float("nan")})
    record = json.loads((cell / "record.json").read_text())
    assert record["axes"] == {"optimizer.lr": 0.1, "seed": 3}
    assert record["status"] == "diverged"
    assert write_watched(tmp_path, watch, settings) == cell  # replaced


def test_watch_without_records_is_refused(tmp_path: Path) -> None:
    """There would be nothing in the report."""
    with pytest.raises(ConfigurationError, match="a watch without records"):
        write_watched(tmp_path, Watch(nn.Linear(2, 2)), {"seed": 0})


@pytest.mark.parametrize("history", [{"val/loss": [1.0]}, {"step": [1, 2], "val/loss": [1.0]}])
def test_histories_without_their_steps_are_refused(
    tmp_path: Path, history: dict[str, list[float]]
) -> None:
    """A curve needs an axis."""
    model = Digest(1, 0).net
    watch = Watch(model)
    with watch.step():
        functional.cross_entropy(model(torch.ones(2, FEATURES)), torch.arange(2)).backward()
    with pytest.raises(ConfigurationError, match="a history of lengths"):
        write_watched(tmp_path, watch, {"seed": 0}, history=history)
