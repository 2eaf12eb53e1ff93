"""The figures of the isometry study: spectra against theory, spread against depth, learning curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pandas import DataFrame

from experiments.core.study import Figure
from experiments.reporting.configurations import text
from experiments.reporting.figures import Axis, Curve, Panel, against_axis, learning_curves
from experiments.reporting.profiles import histories
from experiments.studies.reading import DEPTH, Spectrum

#: the drawn part of the spectrum in decades of s, and its points
LOW, HIGH, POINTS = -4.0, 1.5, 78
LOSS = "train/loss"


def figures(found: Sequence[Spectrum], rows: DataFrame, folder: Path) -> tuple[Figure, ...]:
    """All of them; those with nothing to draw are left out."""
    drawn = [_spectra(found), _spreads(found), _learning(found, rows, folder)]
    return tuple(figure for figure in drawn if figure is not None)


def _spectra(found: Sequence[Spectrum]) -> Figure | None:
    """Share of the singular values below s: seeds against free probability."""
    x = np.linspace(LOW, HIGH, POINTS)
    panels = []
    for key in dict.fromkeys((s.activation, s.ensemble) for s in found):
        curves = [
            Curve(
                f"depth {s.depth}",
                x,
                [(s.log10 <= at).mean(axis=(1, 2)) for at in x],
                s.cumulative_predicted(x),
            )
            for s in found
            if (s.activation, s.ensemble) == key
        ]
        panels.append(Panel(f"{text(key[0])}, {key[1]}", tuple(curves)))
    if not panels:
        return None
    caption = (
        "Share of the singular values of da^[L-1]/da^[2] that are below s, before training. A step: all "
        "directions are carried alike. A ramp: a few are stretched and the others vanish. Dashed: free "
        "probability at infinite width."
    )
    axes = Axis("singular value s", decades=True), Axis("share below s")
    columns = 2 if len(panels) > 3 else None
    return against_axis(panels, *axes, "Spectra of the Jacobian", caption, columns)


def _spreads(found: Sequence[Spectrum]) -> Figure | None:
    panels = []
    for name in dict.fromkeys(s.activation for s in found):
        curves = []
        for kind in ("gaussian", "orthogonal"):
            line = sorted(
                (s for s in found if (s.activation, s.ensemble) == (name, kind)),
                key=lambda s: s.depth,
            )
            shown = [s for s in line if s.spread.mean() > 1e-6]
            if shown:
                curves.append(
                    Curve(
                        kind,
                        np.array([s.factors for s in shown], np.float64),
                        [s.spread for s in shown],
                        np.array([s.spread_predicted for s in shown]),
                    )
                )
        if curves:
            panels.append(Panel(text(name), tuple(curves)))
    if not panels:
        return None
    caption = (
        "Variance over squared mean of the squared singular values, against the number of factors D W. "
        "Dashed: infinite width. A linear network with orthogonal weights has no spread and no line."
    )
    x, y = Axis("factors D W", logarithmic=True), Axis("spread", logarithmic=True)
    return against_axis(panels, x, y, "Spread of the singular values against depth", caption)


def _learning(found: Sequence[Spectrum], rows: DataFrame, folder: Path) -> Figure | None:
    panels = []
    for name in dict.fromkeys(s.activation for s in found):
        deepest = max(s.depth for s in found if s.activation == name)
        curves = []
        for initializer, kind in dict.fromkeys((s.initializer, s.ensemble) for s in found):
            chosen = (
                (rows["activation"] == name)
                & (rows[DEPTH] == deepest)
                & (rows["initializer"] == initializer)
            )
            curve = histories(folder, list(rows.loc[chosen, "cell"]), [LOSS])
            if LOSS in curve and len(curve[LOSS][0]) > 1:
                curves.append(Curve(kind, curve[LOSS][0], list(curve[LOSS][1].T)))
        if curves:
            panels.append(Panel(f"{text(name)}, depth {deepest}", tuple(curves)))
    if not panels:
        return None
    caption = "Training loss of the deepest networks, at the same learning rate and the same seeds."
    return learning_curves(panels, "training loss", "What it does to training", caption)
