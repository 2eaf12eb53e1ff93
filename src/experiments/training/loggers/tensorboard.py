"""TensorBoard event files of one cell: scalars, histograms, and hparams with the final metrics."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from torch import Tensor
from torch.utils.tensorboard.summary import hparams

from experiments.core.errors import ConfigurationError, describe
from experiments.core.event_file import EventFile
from experiments.core.logger import CellLogger

#: buckets of a histogram
BINS = 30

Layers = Literal["all", "ends", "none"]


@final
class TensorBoard(CellLogger):
    """Writes ``cells/CELL/tensorboard``.

    A point of a curve that is not finite is kept: TensorBoard marks it with a triangle. A final
    metric that is not finite is left out. A histogram leaves non-finite entries out and their number
    is written beside it as ``.../nonfinite``.

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
        self._file: EventFile | None = None
        #: by tags, which come again and again: an event to fill in, and the places of its numbers
        self._events: dict[tuple[str, ...], tuple[Summary, list[int]]] = {}

    def open(self, folder: Path, cell: str) -> "TensorBoard":
        opened = TensorBoard(self.layers, self.histograms)
        for old in (folder / "tensorboard").glob("events.out.tfevents.*"):
            # a cell that is run again replaces its curves; another process may just be doing so
            old.unlink(missing_ok=True)
        opened._file = EventFile(folder / "tensorboard")
        return opened

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        tags = tuple(numbers)
        if tags not in self._events:
            places = self._wanted(tags)
            empty = Summary(value=[Summary.Value(tag=tags[place]) for place in places])
            self._events[tags] = (empty, places)
        summary, places = self._events[tags]
        values = list(numbers.values())
        for scalar, place in zip(summary.value, places, strict=True):
            scalar.simple_value = values[place]
        self._add(summary, step)

    def histogram(self, step: int, tag: str, values: Tensor) -> None:
        if not self.histograms:
            return
        values = values.float()  # as TensorBoard shows them: beyond float32 is not finite
        finite = values[torch.isfinite(values)].cpu()
        summary = Summary()
        if lost := values.numel() - finite.numel():
            summary.value.add(tag=f"{tag}/nonfinite", simple_value=lost)
        if finite.numel():
            summary.value.add(tag=tag, histo=_histogram(finite.double().numpy()))
        self._add(summary, step)

    def close(self, axes: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        shown = {
            key: value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in axes.items()
        }
        finite = {f"final/{k}": v for k, v in metrics.items() if math.isfinite(v)}
        for summary in hparams(shown, finite):
            self._add(summary, 0)
        self.scalars(0, finite)
        assert self._file is not None  # noqa: S101
        self._file.close()

    def _add(self, summary: Summary, step: int) -> None:
        assert self._file is not None  # noqa: S101
        if summary.value:
            self._file.add(summary, step)

    def _wanted(self, tags: tuple[str, ...]) -> list[int]:
        """The places of the tags that are kept."""
        layers = [int(tag.rsplit("_", 1)[1]) if "/layer_" in tag else None for tag in tags]
        ends = (2, max((layer for layer in layers if layer is not None), default=2))
        return [
            place
            for place, layer in enumerate(layers)
            if layer is None or self.layers == "all" or (self.layers == "ends" and layer in ends)
        ]


def _histogram(numbers: np.ndarray) -> HistogramProto:
    counts, edges = np.histogram(numbers, bins=BINS)
    return HistogramProto(
        min=float(numbers.min()),
        max=float(numbers.max()),
        num=len(numbers),
        sum=float(numbers.sum()),
        sum_squares=float(np.square(numbers).sum()),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )
