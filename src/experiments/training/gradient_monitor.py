"""The gradient ledger of any LightningModule, as a callback."""

import math
import re
from collections.abc import Mapping
from contextlib import ExitStack, suppress
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

    Metrics are those the module logs: of ``val_loss``, say, the report's name is ``val/loss``.

    Args:
        folder: of the table, ``runs/NAME``.
        every: number of optimiser steps between records; the first step is always recorded.
        settings: what distinguishes this run from others in the folder, with ``seed``; None takes the
            module's ``hparams``.

    Raises:
        ConfigurationError: at the start of training on several devices.

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
        self._points: list[dict[str, float]] = []
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
        self._points = []

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
        """Record the step, if it is complete."""
        if self._opened != trainer.global_step:
            self._opened = None
            self._inside.close()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add a point to the learning curves."""
        if not trainer.sanity_checking:
            self._points.append({"step": trainer.global_step, **_metrics(trainer)})

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the run."""
        names = dict.fromkeys(name for point in self._points for name in point)
        history = {name: [point.get(name, math.nan) for point in self._points] for name in names}
        settings = dict(pl_module.hparams) if self.settings is None else self.settings
        write_watched(self.folder, self.watch, settings, _metrics(trainer), history)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Stop watching; nothing is recorded of the step that failed."""
        self._opened = None
        with suppress(type(exception)):
            self._inside.__exit__(type(exception), exception, exception.__traceback__)


def _metrics(trainer: pl.Trainer) -> dict[str, float]:
    """What the module has logged, under the report's names: val/loss for val_loss."""
    return {
        re.sub("^(train|val|test)_", r"\1/", name): float(value)
        for name, value in trainer.callback_metrics.items()
    }
