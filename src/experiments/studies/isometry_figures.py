"""The figures of the isometry study: spectra against theory, spread against depth, learning curves."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pandas import DataFrame

from experiments.core.study import Figure
from experiments.reporting.configurations import text
from experiments.reporting.figures import Axis, Curve, Panel, against_axis, learning_curves
from experiments.reporting.profiles import histories
from experiments.studies.reading.family import DEPTH
from experiments.studies.reading.grouping import grouped, present
from experiments.studies.reading.rooms import dataset_of
from experiments.studies.reading.spectra import NONE, Spectrum

#: the drawn part of the spectrum in decades of s, and its points
LOW, HIGH, POINTS = -4.0, 1.5, 78
LOSS = "train/loss"
#: in this order everywhere: a label's colour is that of its rank
KINDS = ("gaussian", "orthogonal")


def figures(spectra: Sequence[Spectrum], rows: DataFrame, folder: Path) -> tuple[Figure, ...]:
    """All of them; those with nothing to draw are left out."""
    return present(_spectra(spectra), _spreads(spectra), _learning(spectra, rows, folder))


def _spectra(spectra: Sequence[Spectrum]) -> Figure | None:
    """Share of the singular values below s: seeds against free probability."""
    x = np.linspace(LOW, HIGH, POINTS)
    panels = []
    for (name, kind), mine in grouped(spectra, lambda s: (s.activation, s.ensemble)).items():
        curves = [
            Curve(
                f"depth {s.depth}",
                x,
                [(s.log10 <= at).mean(axis=(1, 2)) for at in x],
                s.cumulative_predicted(x),
            )
            for s in mine
        ]
        panels.append(Panel(f"{text(name)}, {kind}", tuple(curves)))
    if not panels:
        return None
    caption = (
        "Share of the singular values of the Jacobian from the first to the last hidden layer that are "
        "below s, before training. A step: all directions are carried alike (the same one at every depth "
        "in a linear network with orthogonal weights, where all curves coincide). A ramp: a few are "
        "stretched and the others vanish. Of ReLU's at least about half are exactly 0, so its curves do not "
        "start at 0. Dashed: free probability at infinite width; at small s ReLU's curves lie above it, "
        "since its rank is the smallest number of active units over the layers."
    )
    axes = Axis("singular value s", decades=True), Axis("share below s")
    columns = 2 if len(panels) > 3 else None
    return against_axis(panels, *axes, "Spectra of the Jacobian", caption, columns)


def _spreads(spectra: Sequence[Spectrum]) -> Figure | None:
    panels = []
    for name, mine in grouped(spectra, lambda s: s.activation).items():
        curves = []
        for kind in KINDS:
            line = sorted((s for s in mine if s.ensemble == kind), key=lambda s: s.depth)
            # a curve without a point keeps its label's rank, and with it its colour
            shown = [s for s in line if s.spread.mean() > NONE]
            curves.append(
                Curve(
                    kind,
                    np.array([s.factors for s in shown], np.float64),
                    [s.spread for s in shown],
                    np.array([s.spread_predicted for s in shown], np.float64),
                )
            )
        if any(len(curve.x) for curve in curves):
            panels.append(Panel(text(name), tuple(curves)))
    if not panels:
        return None
    caption = (
        "Variance over squared mean of the squared singular values, against the number of factors D W. "
        "Dashed: infinite width. A linear network with orthogonal weights has no spread and no line. The "
        "dashed lines start from each kind's own first layer (see the verdict on starts)."
    )
    x, y = Axis("factors D W", logarithmic=True), Axis("spread", logarithmic=True)
    return against_axis(panels, x, y, "Spread of the singular values against depth", caption)


def _learning(spectra: Sequence[Spectrum], rows: DataFrame, folder: Path) -> Figure | None:
    panels = []
    for name, mine in grouped(spectra, lambda s: s.activation).items():
        deepest = max(s.depth for s in mine)
        trained = rows[(rows["activation"] == name) & (rows[DEPTH] == deepest)]
        curves = tuple(_curve(kind, spectra, trained, folder) for kind in KINDS)
        if any(np.isfinite(values).any() for curve in curves for values in curve.samples):
            panels.append(Panel(f"{text(name)}, depth {deepest}", curves, _guessing(trained)))
    if not panels:
        return None
    caption = (
        "Training loss of the deepest networks, at the same learning rate and the same seeds. A kind "
        "without a line diverged in every seed, at the step of its cross."
    )
    title = "What it does to training"
    return learning_curves(panels, "training loss", title, caption, logarithmic=True)


def _curve(kind: str, spectra: Sequence[Spectrum], rows: DataFrame, folder: Path) -> Curve:
    """The losses of one kind of weights; where no run recorded any, the step at which the last diverged."""
    initializers = {s.initializer for s in spectra if s.ensemble == kind}
    chosen = rows[rows["initializer"].isin(initializers)]
    nothing = np.empty(0), np.empty((len(chosen), 0))
    steps, values = histories(folder, list(chosen["cell"]), [LOSS]).get(LOSS, nothing)
    if len(steps) < 2 and (chosen["status"] == "diverged").any():
        steps = np.append(steps, float(chosen["diverged_at"].max()))
        values = np.hstack([values, np.full((len(chosen), 1), np.nan)])
    return Curve(kind, steps, list(values.T))


def _guessing(rows: DataFrame) -> tuple[tuple[str, float], ...]:
    """The loss of a network that gives all classes the same probability."""
    row = rows.iloc[0].to_dict()
    if row["loss"] != "cross_entropy":
        return ()
    classes = dataset_of(row).outputs
    return ((f"guessing: ln {classes}", math.log(classes)),)
