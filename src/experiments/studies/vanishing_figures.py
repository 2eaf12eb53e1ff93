"""The figures of the vanishing-gradient study: one panel an activation, one line an initialiser."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pandas import DataFrame

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
from experiments.reporting.profiles import at_step, histories, layers_of
from experiments.studies.reading import DEPTH, MARGIN, Family

ACCURACY = "val/accuracy"
HIDDEN = Axis("depth (hidden layers)")


def figures(
    found: Sequence[Family], ledger: DataFrame, folder: Path, depth: int
) -> tuple[Figure, ...]:
    """All of them; those for which nothing was recorded are left out.

    Args:
        found: the networks by family.
        ledger: for the profiles.
        folder: for the learning curves.
        depth: the depth that is looked at layer by layer.
    """
    drawn = [_first_layer(found), _profile(found, ledger, depth), _accuracy(found)]
    drawn += [_learnt(found), _learning(found, folder, depth)]
    return tuple(figure for figure in drawn if figure is not None)


def _panels(
    found: Sequence[Family], curve: Callable[[str, Family], Curve | None], *levels: str
) -> list[Panel]:
    """One panel an activation; ``curve`` draws a family, or leaves it out."""
    panels = []
    for activation in dict.fromkeys(family.rows["activation"].iloc[0] for family in found):
        mine = [f for f in found if f.rows["activation"].iloc[0] == activation]
        drawn = [curve(f.label.split(" · ", 1)[1], f) for f in mine]
        curves = tuple(line for line in drawn if line is not None and len(line.x))
        if curves:
            known = tuple((name, mine[0].chance) for name in levels if mine[0].chance > 0)
            panels.append(Panel(text(activation), curves, known))
    return panels


def _first_layer(found: Sequence[Family]) -> Figure | None:
    def curve(label: str, family: Family) -> Curve:
        x = np.array(family.depths, np.float64)
        return Curve(label, x, family.by_depth("first"), family.first_predicted)

    panels = [
        panel
        for panel in _panels(found, curve)
        if any(not np.isnan(c).all() for line in panel.curves for c in line.samples)
    ]
    if not panels:
        return None
    caption = (
        "Norm of δ = dC/dz at the first layer with weights (l = 2) before training. A straight line "
        "is a constant factor a layer. Dashed: mean field, from the measured norm at the output."
    )
    return depth_profile(panels, "The first layer's gradient against depth", caption, x=HIDDEN)


def _profile(found: Sequence[Family], ledger: DataFrame, depth: int) -> Figure | None:
    start = at_step(ledger, 0)

    def curve(label: str, family: Family) -> Curve:
        cells = family.rows.loc[family.rows[DEPTH] == depth, "cell"]
        layers, values = layers_of(start, list(cells))
        predicted = None
        if family.prediction is not None and len(layers) == depth + 1:
            finite = values[np.isfinite(values[:, -1]), -1]
            if len(finite):
                predicted = finite.mean() + family.prediction.log10_profile(depth)
        return Curve(label, layers.astype(np.float64), list(values.T), predicted)

    panels = _panels(found, curve)
    if not panels:
        return None
    caption = (
        f"Norm of δ at every layer of the networks of depth {depth}, before training; l = 2 is the "
        f"first layer with weights, l = {depth + 2} the output. Dashed: mean field."
    )
    return depth_profile(panels, f"Depth profile at depth {depth}", caption)


def _accuracy(found: Sequence[Family]) -> Figure | None:
    def curve(label: str, family: Family) -> Curve:
        return Curve(label, np.array(family.depths, np.float64), family.by_depth("accuracy"))

    panels = _panels(found, curve, "chance")
    if not any(np.isfinite(c).any() for panel in panels for k in panel.curves for c in k.samples):
        return None
    caption = "Validation accuracy at the end of training."
    title = "Which depths can be trained"
    return against_axis(panels, HIDDEN, Axis("validation accuracy"), title, caption)


def _learnt(found: Sequence[Family]) -> Figure | None:
    depths = sorted({depth for family in found for depth in family.depths})
    values = np.array([[family.learnt(depth).value for depth in depths] for family in found])
    return heat_map(
        values,
        [family.label for family in found],
        [str(depth) for depth in depths],
        "share of seeds that learn",
        "How deep each combination learns",
        f"Share of seeds whose validation accuracy ends above chance + {MARGIN:g}.",
        labels=("", HIDDEN.label),
        limits=(0.0, 1.0),
    )


def _learning(found: Sequence[Family], folder: Path, depth: int) -> Figure | None:
    def curve(label: str, family: Family) -> Curve | None:
        cells = family.rows.loc[family.rows[DEPTH] == depth, "cell"]
        curves = histories(folder, list(cells), [ACCURACY])
        if ACCURACY not in curves:
            return None
        steps, values = curves[ACCURACY]
        return Curve(label, steps, list(values.T))

    panels = _panels(found, curve, "chance")
    if not panels:
        return None
    title = f"Learning at depth {depth}"
    return learning_curves(panels, "validation accuracy", title, f"Networks of depth {depth}.")
