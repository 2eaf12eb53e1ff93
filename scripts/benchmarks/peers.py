"""Whole training runs: the way most people train a small network, and the command line's."""

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.steps import LR, data, native


class Classifier(pl.LightningModule):
    """A LightningModule as a tutorial writes it."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.net = native(depth, width)

    def training_step(self, batch, batch_idx):  # type: ignore[no-untyped-def]
        x, t = batch
        loss = nn.functional.cross_entropy(self.net(x), t)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=LR)


def lightning_seconds(depth: int, width: int, steps: int, logging: bool = True) -> float:
    """Seconds of one network's fit: Lightning, DataLoader and, with logging, TensorBoard."""
    x, t = data(1, "cpu")
    loader = DataLoader(
        TensorDataset(x[0].repeat(20, 1), t[0].repeat(20)), batch_size=64, shuffle=True
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a peer's advice about workers is not our subject
        trainer = pl.Trainer(
            max_steps=steps,
            max_epochs=-1,
            accelerator="cpu",
            logger=TensorBoardLogger(folder) if logging else False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        began = time.perf_counter()
        trainer.fit(Classifier(depth, width), loader)
        return time.perf_counter() - began


def command_line_seconds(runs: int, depth: int, width: int, steps: int) -> float:
    """Seconds of a sweep over seeds from the shell, one process: start, tables and report included."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [
                sys.executable,
                str(Path(__file__).parents[1] / "train.py"),
                "-m",
                "hydra/launcher=stacked",
                "hydra.launcher.workers=1",
                f"runs_dir={folder}",
                f"model.depth={depth}",
                f"model.width={width}",
                f"seed=range(0,{runs})",
                f"trainer.max_steps={steps}",
                "trainer.accelerator=cpu",
                "logger.tensorboard.layers=none",
                "logger.tensorboard.histograms=false",
            ],
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - began
