"""Heads: loss and link together, which is what a contest between losses compares."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pandas import DataFrame

from experiments.core.errors import ConfigurationError
from experiments.reporting.configurations import text, varying_axes
from experiments.studies.reading.family import chance_of
from experiments.studies.reading.rooms import loss_of
from experiments.studies.reading.tuning import LR
from experiments.studies.reading.verdicts import over

HEAD = "head"
#: losses that the others are measured against: the first of these that was trained
BASELINES = ("cross_entropy", "binary_cross_entropy")
#: axes that are no setting of a contest: the head, its learning rate and its split of the data
_NOT_A_SETTING = (HEAD, "loss", LR, "data.seed")


def head_name(row: Mapping[str, Any]) -> str:
    """A head in words; the link is named where the loss has several.

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
    """The rows of cells that are over, with their head, and the accuracy of chance where one diverged.

    A network that diverged gives no answers, so its accuracy counts as that of guessing: leaving it out
    would flatter the head that diverges more often.
    """
    rows = over(results).copy()
    rows[HEAD] = [head_name(row) for row in rows.to_dict("records")]
    if not len(rows):
        return rows
    chance = np.nan_to_num(chance_of(rows.iloc[0].to_dict()))  # 0 where it is unknown
    diverged = (rows["status"] == "diverged").to_numpy()
    for part in ("train", "val", "test"):
        key = f"{part}/accuracy"
        if key in rows:
            rows[key] = np.where(diverged, chance, rows[key].to_numpy(np.float64, na_value=np.nan))
    return rows


def settings_of(rows: DataFrame) -> list[str]:
    """The axes along which a contest is held: all that vary, except head, rate and split."""
    dropped = [key for key in rows if key in _NOT_A_SETTING or str(key).startswith("loss.")]
    return varying_axes(rows.drop(columns=dropped))


def baseline_of(rows: DataFrame) -> str | None:
    """The head that the others are measured against; None without a cross-entropy."""
    for loss in BASELINES:
        heads = rows.loc[rows["loss"] == loss, HEAD]
        if len(heads):
            return str(heads.iloc[0])
    return None


def _links(row: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return loss_of(row).links
    except ConfigurationError:
        return ()
