"""The figures of the remedies study: before and after, layer by layer, and every combination."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from experiments.core.study import Figure
from experiments.reporting.configurations import text
from experiments.reporting.figures import (
    Axis,
    Curve,
    Panel,
    against_axis,
    depth_profile,
    heat_map,
    learning_curves,
)
from experiments.reporting.profiles import histories
from experiments.studies.reading import Variant, predict

#: columns of the map: skip, normalize
ADDED = {(False, False): "plain", (True, False): "skip", (False, True): "normalize",
         (True, True): "skip and\nnormalize"}  # fmt: skip
HISTORY = "val/accuracy"


def figures(
    baseline: Variant, single: Sequence[Variant], found: Sequence[Variant], folder: Path
) -> tuple[Figure, ...]:
    """All of them; those with nothing to draw are left out."""
    drawn = [_before_and_after(baseline, single), _profiles(baseline, single)]
    drawn += [_learning(baseline, single, folder), _map(found)]
    return tuple(figure for figure in drawn if figure is not None)


def _before_and_after(baseline: Variant, single: Sequence[Variant]) -> Figure | None:
    shown = [baseline, *single]
    if not any(np.isfinite(v.accuracy).any() for v in shown):
        return None
    names = tuple(_said(v, baseline).replace(" ", "\n") for v in shown)
    x = np.arange(len(shown), dtype=np.float64)
    levels = (("chance", baseline.chance),) if baseline.chance > 0 else ()
    curve = Curve("test accuracy", x, [v.accuracy for v in shown])
    caption = f"Test accuracy of {baseline.name} before, and after one change, each at the best rate tried."
    title = "Before, and after one change"
    y = Axis("test accuracy")
    return against_axis([Panel("", (curve,), levels)], Axis("", names=names), y, title, caption)


def _said(variant: Variant, baseline: Variant) -> str:
    changes = variant.changes(baseline)
    return text(changes[0].split("=")[-1]) if changes else "before"


def _groups(baseline: Variant, single: Sequence[Variant]) -> list[tuple[str, list[Variant]]]:
    """Single changes by what is changed; the baseline leads every group."""
    kinds = {
        "initialiser": [v for v in single if v.changes(baseline)[0].startswith("initializer=")],
        "activation": [v for v in single if v.changes(baseline)[0].startswith("activation=")],
        "architecture": [v for v in single if "=" not in v.changes(baseline)[0]],
    }
    return [(name, [baseline, *mine]) for name, mine in kinds.items() if mine]


def _profiles(baseline: Variant, single: Sequence[Variant]) -> Figure | None:
    panels = []
    for name, mine in _groups(baseline, single):
        curves = [
            Curve(_said(v, baseline), v.layers, list(v.profile.T), _predicted(v))
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
    if any(_added(variant)):
        return None
    depth = len(variant.layers) - 1
    prediction = predict(variant.runs.rows.iloc[0].to_dict(), depth)
    return None if prediction is None else prediction.log10_profile(depth)


def _learning(baseline: Variant, single: Sequence[Variant], folder: Path) -> Figure | None:
    panels = []
    for name, mine in _groups(baseline, single):
        curves = []
        for v in mine:
            curve = histories(folder, list(v.runs.rows["cell"]), [HISTORY])
            if HISTORY in curve and len(curve[HISTORY][0]) > 1:
                steps, values = curve[HISTORY]
                curves.append(Curve(_said(v, baseline), steps, list(values.T)))
        if curves:
            panels.append(Panel(f"change the {name}", tuple(curves)))
    if not panels:
        return None
    caption = "Validation accuracy during training, each variant at the best learning rate tried."
    return learning_curves(panels, "validation accuracy", "What a change does to learning", caption)


def _map(found: Sequence[Variant]) -> Figure | None:
    rows = list(
        dict.fromkeys(
            (str(v.setting["activation"]), str(v.setting["initializer"]), v.label) for v in found
        )
    )
    columns = [key for key in ADDED if any(_added(v) == key for v in found)]
    values = np.full((len(rows), len(columns)), np.nan)
    for v in found:
        at = (str(v.setting["activation"]), str(v.setting["initializer"]), v.label)
        if np.isfinite(v.accuracy).any() and not v.diverged:
            values[rows.index(at), columns.index(_added(v))] = np.nanmean(v.accuracy)
    if not np.isfinite(values).any():
        return None
    return heat_map(
        values,
        [" · ".join(text(part) for part in row if part) for row in rows],
        [ADDED[key] for key in columns],
        "test accuracy",
        "Every combination",
        "Mean test accuracy over seeds, each combination at the best learning rate tried. Plain: neither "
        "skips nor normalisation. –: every seed diverged at every rate tried.",
        limits=(0.0, 1.0),
    )


def _added(variant: Variant) -> tuple[bool, bool]:
    return bool(variant.setting["model.skip"]), bool(variant.setting["model.normalize"])
