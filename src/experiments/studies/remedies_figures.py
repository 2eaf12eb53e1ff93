"""The figures of the remedies study: before and after, layer by layer, and every combination."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from experiments.core.study import Figure
from experiments.reporting.configurations import short, text
from experiments.reporting.figures import (
    Axis,
    Curve,
    Panel,
    against_axis,
    depth_profile,
    heat_map,
    learning_curves,
)
from experiments.studies.reading.curves import learning_curve
from experiments.studies.reading.family import PAIR
from experiments.studies.reading.grouping import present
from experiments.studies.reading.prediction import predict
from experiments.studies.reading.remedy import Variant

#: columns of the map: with skips, with normalisation
ADDED = {(False, False): "plain", (True, False): "skip", (False, True): "normalize",
         (True, True): "skip and\nnormalize"}  # fmt: skip
HISTORY = "val/accuracy"


def figures(
    baseline: Variant, single: Sequence[Variant], variants: Sequence[Variant], folder: Path
) -> tuple[Figure, ...]:
    """All of them; those with nothing to draw are left out."""
    return present(
        _before_and_after(baseline, single),
        _profiles(baseline, single),
        _learning(baseline, single, folder),
        _map(variants),
    )


def _before_and_after(baseline: Variant, single: Sequence[Variant]) -> Figure | None:
    shown = [baseline, *single]
    if not any(np.isfinite(v.accuracy).any() for v in shown):
        return None
    names = tuple(_name(v, baseline).replace(" ", "\n") for v in shown)
    x = np.arange(len(shown), dtype=np.float64)
    levels = (("chance", baseline.chance),) if baseline.chance > 0 else ()
    curve = Curve("test accuracy", x, [v.accuracy for v in shown])
    caption = f"Test accuracy of {baseline.name} before, and after one change, each at the best rate tried."
    title = "Before, and after one change"
    y = Axis("test accuracy")
    return against_axis([Panel("", (curve,), levels)], Axis("", names=names), y, title, caption)


def _name(variant: Variant, baseline: Variant) -> str:
    """A single change as the name of a tick, where "identity skips" has no room."""
    for key, value in variant.changes(baseline).items():
        return text(value) if key in PAIR else short(key)
    return "before"


def _groups(baseline: Variant, single: Sequence[Variant]) -> list[tuple[str, list[Variant]]]:
    """Single changes by what is changed; the baseline leads every group."""
    names = {"initializer": "initialiser", "activation": "activation"}
    groups: dict[str, list[Variant]] = {"initialiser": [], "activation": [], "architecture": []}
    for variant in single:
        (key,) = variant.changes(baseline)
        groups[names.get(key, "architecture")].append(variant)
    return [(name, [baseline, *mine]) for name, mine in groups.items() if mine]


def _profiles(baseline: Variant, single: Sequence[Variant]) -> Figure | None:
    panels = []
    for name, mine in _groups(baseline, single):
        curves = [
            Curve(_name(v, baseline), v.layers, list(v.profile.T), _predicted(v))
            for v in mine
            if len(v.layers)
        ]
        if curves:
            panels.append(Panel(f"change the {name}", tuple(curves)))
    if not any(np.isfinite(s).any() for p in panels for c in p.curves for s in c.samples):
        return None
    caption = (
        "Norm of δ over that at the output, before training: a remedy makes the line flat. Dashed: mean "
        "field, with nothing fitted, for plain networks; it has no word on skips and normalisation."
    )
    y = Axis("norm of δ over the output's", decades=True)
    return depth_profile(panels, "What a change does to the gradient", caption, y=y)


def _predicted(variant: Variant) -> Float64[ndarray, " layers"] | None:
    """Mean field's profile of a plain network; None where it has none."""
    if not variant.plain:
        return None
    depth = len(variant.layers) - 1
    prediction = predict(variant.runs.rows.iloc[0].to_dict(), depth)
    return None if prediction is None else prediction.log10_profile(depth)


def _learning(baseline: Variant, single: Sequence[Variant], folder: Path) -> Figure | None:
    panels = []
    for name, mine in _groups(baseline, single):
        curves = []
        for v in mine:
            curve = learning_curve(_name(v, baseline), list(v.runs.rows["cell"]), HISTORY, folder)
            if curve is not None and len(curve.x) > 1:
                curves.append(curve)
        if curves:
            panels.append(Panel(f"change the {name}", tuple(curves)))
    if not panels:
        return None
    caption = "Validation accuracy during training, each variant at the best learning rate tried."
    return learning_curves(panels, "validation accuracy", "What a change does to learning", caption)


def _map(variants: Sequence[Variant]) -> Figure | None:
    rows = list(dict.fromkeys(v.plain_name for v in variants))
    columns = [key for key in ADDED if any(v.added == key for v in variants)]
    values = np.full((len(rows), len(columns)), np.nan)
    for v in variants:
        if np.isfinite(v.accuracy).any() and not v.diverged:
            values[rows.index(v.plain_name), columns.index(v.added)] = np.nanmean(v.accuracy)
    if not np.isfinite(values).any():
        return None
    return heat_map(
        values,
        rows,
        [ADDED[key] for key in columns],
        "test accuracy",
        "Every combination",
        "Mean test accuracy over seeds, each combination at the best learning rate tried. Plain: neither "
        "skips nor normalisation. –: every seed diverged at every rate tried.",
        limits=(0.0, 1.0),
    )
