"""TensorBoard event files of one cell: scalars, histograms, and hparams with the final metrics."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from experiments.core.errors import ConfigurationError, describe
from experiments.core.logger import CellLogger

#: buckets of a histogram
BINS = 30

Layers = Literal["all", "ends", "none"]


@final
class TensorBoard(CellLogger):
    """Writes ``cells/CELL/tensorboard``.

    A scalar that is not finite is kept: TensorBoard marks it with a triangle. A histogram leaves
    non-finite entries out and their number is written beside it as ``.../nonfinite``.

    Args:
        layers: which layers' ledger numbers become scalars: "all", "ends" (the first and the last)
            or "none"; a large sweep wants thin files.
        histograms: distributions of activations and weight gradients of the first and last state.
    """

    def __init__(self, layers: Layers = "all", histograms: bool = True) -> None:
        if layers not in ("all", "ends", "none"):
            raise ConfigurationError(
                describe(f"logger.layers={layers!r}", "all, ends or none", "change logger.layers")
            )
        self.layers = layers
        self.histograms = histograms
        self._writer: SummaryWriter | None = None
        self._cell = ""

    def open(self, folder: Path, cell: str) -> "TensorBoard":
        opened = TensorBoard(self.layers, self.histograms)
        opened._cell = cell
        for old in (folder / "tensorboard").glob("events.out.tfevents.*"):
            old.unlink()  # a cell that is run again replaces its curves
        opened._writer = SummaryWriter(str(folder / "tensorboard"), max_queue=1000)
        return opened

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        assert self._writer is not None  # noqa: S101
        names = [name for name in numbers if "/layer_" in name]
        last = max((name.rsplit("_", 1)[1] for name in names), default="")
        for name, value in numbers.items():
            if "/layer_" in name and not self._wanted(name.rsplit("_", 1)[1], last):
                continue
            self._writer.add_scalar(name, value, step)

    def histogram(self, step: int, tag: str, values: Tensor) -> None:
        assert self._writer is not None  # noqa: S101
        if not self.histograms:
            return
        finite = values[torch.isfinite(values)].float().cpu()
        lost = values.numel() - finite.numel()
        if lost:
            self._writer.add_scalar(f"{tag}/nonfinite", lost, step)
        if finite.numel():
            numbers = finite.double().numpy()
            counts, edges = np.histogram(numbers, bins=BINS)
            self._writer.add_histogram_raw(
                tag,
                min=float(numbers.min()),
                max=float(numbers.max()),
                num=len(numbers),
                sum=float(numbers.sum()),
                sum_squares=float(np.square(numbers).sum()),
                bucket_limits=edges[1:].tolist(),
                bucket_counts=counts.tolist(),
                global_step=step,
            )

    def close(self, axes: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        assert self._writer is not None  # noqa: S101
        shown = {
            key: value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in axes.items()
        }
        finite = {f"final/{k}": v for k, v in metrics.items() if math.isfinite(v)}
        # add_hparams of the writer would open a second event file and show a second run
        for summary in hparams(shown, finite):
            self._writer._get_file_writer().add_summary(summary)
        for tag, value in finite.items():
            self._writer.add_scalar(tag, value, 0)
        self._writer.close()

    def _wanted(self, layer: str, last: str) -> bool:
        return self.layers == "all" or (self.layers == "ends" and layer in ("02", last))
