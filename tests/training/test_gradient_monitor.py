"""Other people's models as cells: the callback, the files, and the report on them."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import pytorch_lightning as pl
import torch
import yaml
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

    def __init__(
        self,
        depth: int,
        seed: int,
        fails_at: int | None = None,
        skips: Sequence[int] = (),
        accumulates: int | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters("depth", "seed")
        self.fails_at, self.skips, self.accumulates = fails_at, skips, accumulates
        self.automatic_optimization = accumulates is None
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

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor | None:
        if self.fails_at is not None and self.global_step >= self.fails_at:
            raise ZeroDivisionError
        if batch_idx in self.skips:
            return None
        loss = functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        if self.accumulates is not None:
            self.manual_backward(loss)
            if (batch_idx + 1) % self.accumulates == 0:
                self.optimizers().step()  # type: ignore[union-attr]
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        outputs = self.net(batch[0])
        self.log("step", float(self.current_epoch))
        self.log("val_loss", functional.cross_entropy(outputs, batch[1]))
        self.log("val_accuracy", (outputs.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.2)


def fit(
    module: pl.LightningModule,
    *monitors: GradientMonitor,
    start: Path | None = None,
    **settings: Any,
) -> pl.Trainer:
    """Two epochs of six batches, perhaps from a checkpoint on."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    silent = {"logger": False, "enable_checkpointing": False}
    defaults = {"max_epochs": 2, "accelerator": "cpu", **quiet, **silent}
    trainer = pl.Trainer(callbacks=list(monitors), **(defaults | settings))
    x = torch.randn(BATCHES * BATCH, FEATURES, generator=stream(0, DATA))
    examples = TensorDataset(x, torch.arange(BATCHES * BATCH) % CLASSES)
    loaders = DataLoader(examples, BATCH), DataLoader(examples, BATCHES * BATCH)
    trainer.fit(module, *loaders, ckpt_path=start)
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
    for name, final in record["metrics"].items():
        assert record["history"][name][-1] == final
        assert record["history"][name][0] != final
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
    assert not any(p._backward_hooks for p in module.parameters())
    assert torch.overrides._len_torch_function_stack() == 0
    assert not (tmp_path / "cells").exists()


def steps_of(folder: Path) -> list[int]:
    """The recorded steps of the one cell in a folder."""
    return sorted(set(pq.read_table(only_cell(folder) / "ledger.parquet")["step"].to_pylist()))


def test_resumed_training_is_recorded_from_its_first_step(tmp_path: Path) -> None:
    """Though its number is no multiple of the interval."""
    fit(Digest(1, 0)).save_checkpoint(tmp_path / "half.ckpt")
    for epochs in (2, 4):  # the first has nothing left to train
        monitor = GradientMonitor(tmp_path / str(epochs), every=5)
        fit(Digest(1, 0), monitor, start=tmp_path / "half.ckpt", max_epochs=epochs)
    assert not (tmp_path / "2").exists()
    assert steps_of(tmp_path / "4") == [12, 15, 20]


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.")
def test_skipped_batches_are_not_recorded(tmp_path: Path) -> None:
    """The first one neither; the next step is recorded in its place."""
    fit(Digest(1, 0, skips=(0, 3)), GradientMonitor(tmp_path, every=3))
    assert steps_of(tmp_path) == [1, 4, 7, 10]


def test_gradients_that_wait_for_an_update_at_the_end_are_no_step(tmp_path: Path) -> None:
    """Nothing of the watch stays active after training."""
    module = Digest(1, 0, accumulates=4)
    fit(module, GradientMonitor(tmp_path, every=1), max_epochs=1)
    assert steps_of(tmp_path) == [0]
    assert not any(p._backward_hooks for p in module.parameters())
    assert torch.overrides._len_torch_function_stack() == 0


def test_curves_without_validation_have_a_point_for_every_epoch(tmp_path: Path) -> None:
    """Of what is logged while training."""
    fit(Digest(1, 0), GradientMonitor(tmp_path), limit_val_batches=0)
    history = json.loads((only_cell(tmp_path) / "record.json").read_text())["history"]
    assert history["step"] == [6.0, 12.0]
    assert set(history) == {"step", "train/loss"}


@pytest.mark.filterwarnings("ignore:.*script_method")
def test_compiled_modules_are_refused(tmp_path: Path) -> None:
    """Though Lightning takes the wrapper off."""
    with pytest.raises(ConfigurationError, match="a compiled model"):
        fit(torch.compile(Digest(1, 0)), GradientMonitor(tmp_path))  # type: ignore[arg-type]


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


def recorded() -> Watch:
    """A watch with one record."""
    model = nn.ModuleDict({"first": nn.LSTM(FEATURES, 5), "last": nn.Linear(5, CLASSES)})
    watch = Watch(model)
    with watch.step():
        model["last"](model["first"](torch.ones(2, FEATURES))[0]).sum().backward()
    return watch


def test_settings_of_any_kind_are_written(tmp_path: Path) -> None:
    """Numbers as numbers, and what YAML has no word for as text."""
    settings = {
        "lr": np.float64(0.5),
        "scale": torch.tensor(2.0),
        "widths": (np.int64(3), 4),
        "activation": nn.ReLU,
        "dtype": torch.float32,
        "data": {"folder": Path("a/b"), 1: None},
    }
    cell = write_watched(tmp_path, recorded(), settings)
    plain = {
        "lr": 0.5,
        "scale": 2.0,
        "widths": [3, 4],
        "activation": "ReLU",
        "dtype": "torch.float32",
    }
    nested = {"data.folder": "a/b", "data.1": None}
    assert json.loads((cell / "record.json").read_text())["axes"] == plain | nested
    folder = {"folder": "a/b", "1": None}
    assert yaml.safe_load((cell / "config.yaml").read_text()) == plain | {"data": folder}


@pytest.mark.parametrize("key", ["name", "checkpoint", "study"])
def test_every_setting_distinguishes_runs(tmp_path: Path, key: str) -> None:
    """Those too that are output paths in a config of this package."""
    cells = [write_watched(tmp_path, recorded(), {key: value}) for value in ("one", "other")]
    assert cells[0] != cells[1]


def test_weights_that_were_not_watched_are_named(tmp_path: Path) -> None:
    """The report shows them."""
    cell = write_watched(tmp_path, recorded(), {"seed": 0})
    facts = json.loads((cell / "record.json").read_text())["facts"]
    assert facts["not_watched"] == ["first.weight_ih_l0", "first.weight_hh_l0"]


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
