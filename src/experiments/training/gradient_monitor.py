"""The gradient ledger of any LightningModule, as a callback."""

import math
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl

from experiments.core.errors import ConfigurationError, describe
from experiments.probes import Watch
from experiments.training.watched import write_watched


@final
class GradientMonitor(pl.Callback):
    """Watches a LightningModule and writes its run as a cell when training ends.

    ``python scripts/report.py FOLDER`` then shows the gradient of every layer, the learning curves and a
    diagnosis of all runs in the folder. One process on one device; batches whose gradients are accumulated
    are one step.

    Metrics are those the module logs: of ``val_loss``, say, the report's name is ``val/loss``. A run that
    fails or is interrupted is not written.

    Args:
        folder: of the table, ``runs/NAME``.
        every: number of optimiser steps between records; the first step is always recorded.
        settings: what distinguishes this run from others in the folder, with ``seed``; None takes the
            module's ``hparams``.

    Raises:
        ConfigurationError: at the start of training on several devices, or of a compiled module.

    Example:
        >>> monitor = GradientMonitor("runs/mine", settings={"seed": 0})
        >>> trainer = pl.Trainer(callbacks=[monitor], logger=False, enable_checkpointing=False)
    """

    def __init__(
        self, folder: Path | str, every: int = 50, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.every = every
        self.settings = settings
        self._points: dict[int, dict[str, float]] = {}
        self._inside = ExitStack()
        self._opened: int | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prepare for the module."""
        if trainer.world_size > 1:
            raise ConfigurationError(
                describe(
                    f"training on {trainer.world_size} devices",
                    "one process on one device",
                    "watch a short run with Trainer(devices=1)",
                )
            )
        self.watch = Watch(pl_module, self.every)
        self._points = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin to watch, unless the gradients of an earlier batch still wait for their update."""
        if self._opened is None:
            self._opened = trainer.global_step
            scaler = getattr(trainer.precision_plugin, "scaler", None)
            scale = 1.0 if scaler is None else float(scaler.get_scale())
            self._inside.enter_context(self.watch.step(trainer.global_step, scale))

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Record the step, if it is complete, unless ``training_step`` skipped the batch."""
        if self._opened != trainer.global_step:
            skipped = pl_module.automatic_optimization and not outputs
            self._close(_NoUpdateError() if skipped else None)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add a point to the learning curves."""
        if not trainer.sanity_checking:
            self._points[trainer.global_step] = _metrics(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add what is logged of the whole epoch; without validation, this is the curves' point."""
        if trainer.global_step in self._points or not trainer.enable_validation:
            self._points[trainer.global_step] = _metrics(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the run, unless nothing was trained."""
        self._close(_NoUpdateError())
        if not self.watch.records:
            return
        points = [{"step": step, **metrics} for step, metrics in self._points.items()]
        names = dict.fromkeys(name for point in points for name in point)
        history = {name: [point.get(name, math.nan) for point in points] for name in names}
        settings = dict(pl_module.hparams) if self.settings is None else self.settings
        write_watched(self.folder, self.watch, settings, _metrics(trainer), history)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Stop watching."""
        self._close(exception)

    def _close(self, exception: BaseException | None = None) -> None:
        """End the open step, if there is one; it is recorded unless there is an exception."""
        self._opened = None
        self._inside.__exit__(type(exception) if exception else None, exception, None)


class _NoUpdateError(Exception):
    """The open step made no update: its batch was skipped, or training ended before."""


def _metrics(trainer: pl.Trainer) -> dict[str, float]:
    """What the module has logged, under the report's names: val/loss for val_loss."""
    return {
        re.sub("^(train|val|test)_", r"\1/", name): float(value)
        for name, value in trainer.callback_metrics.items()
        if name != "step"  # some log it to choose the axis of their logger's curves
    }
