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

from experiments.core.cell import CellFolder
from experiments.core.errors import ConfigurationError, describe
from experiments.core.event_file import EventFile, remove_event_files
from experiments.core.logger import CellLogger, CurveWriter
from experiments.core.shapes import FIRST_WEIGHT_LAYER

#: buckets of a histogram
BINS = 30

Layers = Literal["all", "ends", "none"]


@final
class TensorBoard(CellLogger):
    """Writes ``cells/CELL/tensorboard``.

    A point of a curve that is not finite is kept: TensorBoard marks it with a triangle. A final
    metric that is not finite is left out. A histogram leaves non-finite entries out and writes their
    number beside it as ``.../nonfinite``.

    Args:
        layers: which layers' ledger numbers become scalars: "all", "ends" (the first and the last)
            or "none"; a large sweep wants thin files.
        histograms: distributions of activations and weight gradients of the first and last state.

    Raises:
        ConfigurationError: for another choice of layers.
    """

    def __init__(self, layers: Layers = "all", histograms: bool = True) -> None:
        if layers not in ("all", "ends", "none"):
            raise ConfigurationError(
                describe(f"logger.layers={layers!r}", "all, ends or none", "change logger.layers")
            )
        self.layers = layers
        self.histograms = histograms

    def open(self, folder: Path) -> CurveWriter:
        return _EventWriter(CellFolder(folder).tensorboard, self)


@final
class _EventWriter(CurveWriter):
    def __init__(self, folder: Path, settings: TensorBoard) -> None:
        remove_event_files(folder)
        self._file = EventFile(folder)
        self._settings = settings
        #: the same tags come again and again: an event to fill in, and the positions of its numbers
        self._templates: dict[tuple[str, ...], tuple[Summary, list[int]]] = {}

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        tags = tuple(numbers)
        if tags not in self._templates:
            positions = self._positions_to_keep(tags)
            empty = Summary(value=[Summary.Value(tag=tags[k]) for k in positions])
            self._templates[tags] = (empty, positions)
        summary, positions = self._templates[tags]
        values = list(numbers.values())
        for scalar, k in zip(summary.value, positions, strict=True):
            scalar.simple_value = values[k]
        self._add(summary, step)

    def histogram(self, step: int, tag: str, values: Tensor) -> None:
        if not self._settings.histograms:
            return
        values = values.float()  # as TensorBoard shows them: beyond float32 is not finite
        finite = values[torch.isfinite(values)]
        summary = Summary()
        if lost := values.numel() - finite.numel():
            summary.value.add(tag=f"{tag}/nonfinite", simple_value=lost)
        if finite.numel():
            summary.value.add(tag=tag, histo=_histogram(finite.double().numpy()))
        self._add(summary, step)

    def summarize(self, axes: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        shown = {k: v if isinstance(v, int | float | str) else str(v) for k, v in axes.items()}
        finite = {f"final/{k}": v for k, v in metrics.items() if math.isfinite(v)}
        for summary in hparams(shown, finite):
            self._add(summary, 0)
        self.scalars(0, finite)

    def close(self) -> None:
        self._file.close(alone=True)

    def _add(self, summary: Summary, step: int) -> None:
        if summary.value:
            self._file.add(summary, step)

    def _positions_to_keep(self, tags: tuple[str, ...]) -> list[int]:
        layers = [int(tag.rsplit("_", 1)[1]) if "/layer_" in tag else None for tag in tags]
        found = {layer for layer in layers if layer is not None}
        ends = {FIRST_WEIGHT_LAYER, max(found, default=0)}
        kept = {"all": found, "ends": ends, "none": set[int]()}[self._settings.layers]
        return [k for k, layer in enumerate(layers) if layer is None or layer in kept]


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
