"""Heads: loss and link together, which is what a contest between losses compares."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pandas import DataFrame

from experiments.core.errors import ConfigurationError
from experiments.reporting.configurations import text, varying_axes
from experiments.studies.reading import dataset_of, loss_of, over

HEAD = "head"
LR = "optimizer.lr"
#: the losses that squared errors are measured against, the first that is there
BASELINES = ("cross_entropy", "binary_cross_entropy")
#: what tells two cells of one contestant apart: its head, its rate and its draws
_NOT_A_SETTING = (HEAD, "loss", LR, "data.seed")


def head_name(row: Mapping[str, Any]) -> str:
    """A head in words; the link is named where the loss has a choice.

    >>> head_name({"loss": "half_squared_error", "loss.link": "softmax"})
    'half squared error on softmax'
    >>> head_name({"loss": "mean_squared_error", "loss.link": "identity"})
    'mean squared error, raw'
    >>> head_name({"loss": "cross_entropy", "loss.link": "softmax"})
    'cross entropy'
    """
    loss, link = text(row.get("loss")), row.get("loss.link")
    if not isinstance(link, str) or len(_links(row)) == 1:
        return loss
    return f"{loss}, raw" if link == "identity" else f"{loss} on {link}"


def with_heads(results: DataFrame) -> DataFrame:
    """The rows of cells that are over, with their head, and chance for what diverged.

    A network that diverged answers nothing, so its accuracy counts as that of guessing: leaving it out
    would flatter the head that diverges more.
    """
    rows = over(results).copy()
    if not len(rows):
        return rows.assign(**{HEAD: []})
    records: list[dict[str, Any]] = [
        {str(key): value for key, value in record.items()} for record in rows.to_dict("records")
    ]
    rows[HEAD] = [head_name(record) for record in records]
    chance = _chance(records[0])
    diverged = (rows["status"] == "diverged").to_numpy()
    for part in ("train", "val", "test"):
        key = f"{part}/accuracy"
        if key in rows:
            rows[key] = np.where(diverged, chance, rows[key].to_numpy(np.float64, na_value=np.nan))
    return rows


def settings_of(rows: DataFrame) -> list[str]:
    """The axes along which a contest is held: all that vary but head, rate and draws."""
    own = [key for key in rows if key in _NOT_A_SETTING or str(key).startswith("loss.")]
    return varying_axes(rows.drop(columns=own))


def baseline_of(rows: DataFrame) -> str | None:
    """The head that the others are measured against."""
    for loss in BASELINES:
        mine = rows[rows["loss"] == loss]
        if len(mine):
            return str(mine[HEAD].iloc[0])
    return None


def chance_of(rows: DataFrame) -> float:
    """The accuracy of guessing, of the first row's data; NaN where there are no classes."""
    chance = _chance({str(key): value for key, value in rows.iloc[0].to_dict().items()})
    return chance if chance > 0 else float("nan")


def _links(row: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return loss_of(row).links
    except ConfigurationError:
        return ()


def _chance(row: Mapping[str, Any]) -> float:
    """1 / classes, or 0 where that is unknown."""
    try:
        data = dataset_of(row)
    except ConfigurationError:
        return 0.0
    return 1.0 / max(data.outputs, 2) if data.task == "classification" else 0.0
