"""The figures of the vanishing-gradient study: one panel an activation, one line an initialiser.

A further axis, such as the width, is a column of panels for each of its values.
"""

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
from experiments.reporting.figures.canvas import (
    COLOURS,
    INK,
    MARKERS,
    WIDTH,
    sheet,
    style,
    to_svg,
)
from experiments.reporting.figures.curves import DASHES
from experiments.reporting.profiles import at_step, layers_of
from experiments.studies.reading.curves import learning_curve
from experiments.studies.reading.family import DEPTH, MARGIN, Family
from experiments.studies.reading.grouping import grouped, present

ACCURACY = "val/accuracy"
HIDDEN = Axis("depth (hidden layers)")


def figures(
    families: Sequence[Family], ledger: DataFrame, folder: Path, depth: int
) -> tuple[Figure, ...]:
    """All of them; those for which nothing was recorded are left out.

    Args:
        families: the networks by family.
        ledger: for the profiles.
        folder: for the learning curves.
        depth: of the networks that are drawn layer by layer.
    """
    return present(
        _first_layer(families),
        _slopes(families),
        _profile(families, ledger, depth),
        _accuracy(families),
        *_learnt(families),
        _learning(families, folder, depth),
    )


def _columns(families: Sequence[Family]) -> int | None:
    """One column of panels for every value of further axes."""
    further = len({family.further for family in families})
    return further if further > 1 else None


def _panels(
    families: Sequence[Family], curve: Callable[[str, Family], Curve | None], *levels: str
) -> list[Panel]:
    """One panel for every activation and value of further axes.

    Args:
        families: the networks by family.
        curve: draws a family under a name, or returns None to leave it out.
        levels: names of horizontal lines at the accuracy of chance.
    """
    panels = []
    for place, mine in grouped(families, lambda f: (f.activation, f.further)).items():
        drawn = present(*(curve(text(f.initializer), f) for f in mine))
        curves = tuple(line for line in drawn if len(line.x))
        if curves:
            known = tuple((name, mine[0].chance) for name in levels if mine[0].chance > 0)
            panels.append(Panel(" · ".join(text(part) for part in place if part), curves, known))
    return panels


def _first_layer(families: Sequence[Family]) -> Figure | None:
    def curve(label: str, family: Family) -> Curve:
        x = np.array(family.depths, np.float64)
        return Curve(label, x, family.by_depth("first"), family.first_predicted)

    panels = [
        panel
        for panel in _panels(families, curve)
        if any(not np.isnan(c).all() for line in panel.curves for c in line.samples)
    ]
    if not panels:
        return None
    caption = (
        "Norm of δ = dC/dz at the first layer with weights (l = 2) before training. A straight line "
        "is a constant factor a layer. Dashed: mean field, from the measured norm at the output."
    )
    title = "The first layer's gradient against depth"
    return depth_profile(panels, title, caption, x=HIDDEN, columns=_columns(families))


def _slopes(families: Sequence[Family]) -> Figure | None:
    """Every fitted slope with its interval, on the line that theory draws."""
    known = [f for f in families if np.isfinite([f.log_chi, f.log_slope.value]).all()]
    if not known:
        return None
    title = "The slope a layer against ln χ"
    with style():
        figure = sheet(0.6 * WIDTH, 4.6)
        axes = figure.subplots()
        line = [min(f.log_chi for f in known), max(f.log_chi for f in known)]
        axes.plot(line, line, color=INK, ls=DASHES, lw=1.1, label="ln χ, predicted")
        for k, (name, mine) in enumerate(grouped(known, lambda f: f.activation).items()):
            slopes = [f.log_slope for f in mine]
            x = np.array([f.log_chi for f in mine])
            colour, mark = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
            values, low, high = (
                [getattr(s, end) for s in slopes] for end in ("value", "low", "high")
            )
            axes.plot(x, values, ls="", ms=7, color=colour, marker=mark, label=text(name))
            axes.vlines(x, low, high, color=colour, lw=3, alpha=0.4)
        axes.set(
            xlabel="ln χ at the fixed point (mean field)", ylabel="fitted slope of ln ‖δ‖² a layer"
        )
        axes.legend()
    caption = (
        "Every combination: the slope of ln ‖δ‖² at the first layer against the number of hidden layers, "
        "before training, with its 95 % interval over seeds, and what theory says of deep, wide networks."
    )
    return Figure(title, caption, to_svg(figure, title))


def _profile(families: Sequence[Family], ledger: DataFrame, depth: int) -> Figure | None:
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

    panels = _panels(families, curve)
    if not panels:
        return None
    caption = (
        f"Norm of δ at every layer of the networks of depth {depth}, before training; l = 2 is the "
        f"first layer with weights, l = {depth + 2} the output. Dashed: mean field."
    )
    title = f"Depth profile at depth {depth}"
    return depth_profile(panels, title, caption, columns=_columns(families))


def _accuracy(families: Sequence[Family]) -> Figure | None:
    def curve(label: str, family: Family) -> Curve:
        return Curve(label, np.array(family.depths, np.float64), family.by_depth("accuracy"))

    panels = _panels(families, curve, "chance")
    if not any(np.isfinite(c).any() for panel in panels for k in panel.curves for c in k.samples):
        return None
    caption = "Validation accuracy at the end of training."
    title = "Which depths can be trained"
    y = Axis("validation accuracy")
    return against_axis(panels, HIDDEN, y, title, caption, _columns(families))


def _learnt(families: Sequence[Family]) -> list[Figure]:
    """One map for every value of further axes."""
    depths = sorted({depth for family in families for depth in family.depths})
    drawn = []
    for further, mine in grouped(families, lambda f: f.further).items():
        values = np.array([[family.learnt(depth).value for depth in depths] for family in mine])
        drawn.append(
            heat_map(
                values,
                [f"{text(f.activation)} · {text(f.initializer)}" for f in mine],
                [str(depth) for depth in depths],
                "share of seeds that learn",
                f"How deep each combination learns{f', {further}' if further else ''}",
                f"Share of seeds whose validation accuracy ends above chance + {MARGIN:g}.",
                labels=("", HIDDEN.label),
                limits=(0.0, 1.0),
            )
        )
    return drawn


def _learning(families: Sequence[Family], folder: Path, depth: int) -> Figure | None:
    def curve(label: str, family: Family) -> Curve | None:
        cells = family.rows.loc[family.rows[DEPTH] == depth, "cell"]
        return learning_curve(label, list(cells), ACCURACY, folder)

    panels = _panels(families, curve, "chance")
    if not panels:
        return None
    title = f"Learning at depth {depth}"
    y, caption = "validation accuracy", f"Networks of depth {depth}."
    return learning_curves(panels, y, title, caption, columns=_columns(families))
