"""The figures of the best-depth study: losses against depth, and the learning rate that each depth wants."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.lines import Line2D
from numpy import ndarray

from experiments.core.study import Figure
from experiments.reporting.figures import Axis, Curve, Panel, against_axis
from experiments.reporting.figures.canvas import COLOURS, INK, WIDTH, sheet, style, to_svg
from experiments.studies.reading.curves import without_seeds
from experiments.studies.reading.grouping import grouped, present
from experiments.studies.reading.ladder import Ladder
from experiments.studies.reading.verdicts import capitalised

HIDDEN = Axis("depth (hidden layers)", logarithmic=True)
#: which column, its name, and what its caption says
LOSSES = (
    (
        "test/loss",
        "test loss",
        "What is judged: the test loss, which chose neither rate nor depth.",
    ),
    ("val/loss", "validation loss", "What chose: the validation loss, by which rates are tuned."),
    (
        "train/loss",
        "training loss",
        "Why deeper is worse: where the training loss rises with depth the network is harder to train; "
        "where it falls and the test loss rises, it fits too well.",
    ),
)


#: how a depth is drawn in the picture of the answer
MARKS: dict[str, dict[str, Any]] = {
    "best": {"color": COLOURS[1], "marker": "*", "ls": "", "ms": 15},
    "not told apart from it": {"color": COLOURS[0], "marker": "o", "ls": "", "ms": 9},
    "worse": {"color": INK, "marker": "o", "ls": "", "ms": 5, "mfc": "none", "alpha": 0.5},
}


def figures(ladders: Sequence[Ladder]) -> tuple[Figure, ...]:
    """All of them; those with nothing to draw are left out."""
    return present(_answer(ladders), *(_losses(ladders, *loss) for loss in LOSSES), _rates(ladders))


def _answer(ladders: Sequence[Ladder]) -> Figure:
    """The verdict as a picture: a row for each kind of network, a column for each depth."""
    prices = list(dict.fromkeys(ladder.price for ladder in ladders))
    labels = list(dict.fromkeys(ladder.label for ladder in ladders))
    depths = sorted({depth for ladder in ladders for depth in ladder.depths})
    title = "Which depths are as good as the best"
    with style():
        figure = sheet(min(WIDTH, 1.6 + 3.6 * len(prices)), 1.5 + 0.32 * len(labels))
        panels = figure.subplots(1, len(prices), sharey=True, squeeze=False)[0]
        for price, axes in zip(prices, panels, strict=True):
            axes.set_title(price)
            axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
            axes.set_xlim(-0.6, len(depths) - 0.4)
            axes.set_xlabel(HIDDEN.label)
            for ladder in ladders:
                for depth in ladder.depths if ladder.price == price else ():
                    axes.plot(
                        depths.index(depth), labels.index(ladder.label), **_mark(ladder, depth)
                    )
        panels[0].set_yticks(range(len(labels)), labels)
        panels[0].set_ylim(len(labels) - 0.4, -0.6)
        handles = [Line2D([], [], label=name, **mark) for name, mark in MARKS.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    caption = (
        "Best: the least mean validation loss. Not told apart: test loss less that of the best, paired by "
        "seed, has a 95 % interval that reaches 0 or lies below it. Worse: it lies above 0."
    )
    return Figure(title, caption, to_svg(figure, title))


def _mark(ladder: Ladder, depth: int) -> dict[str, Any]:
    best, tied, worse = MARKS.values()
    return best if depth == ladder.best else tied if depth in ladder.tied else worse


def _losses(ladders: Sequence[Ladder], column: str, name: str, caption: str) -> Figure | None:
    panels = _panels(
        ladders, lambda ladder: [rung.at_best(column) for rung in ladder.rungs.values()]
    )
    finite = [v for p in panels for c in p.curves for v in c.samples if np.isfinite(v).any()]
    if not finite:
        return None
    y = Axis(name, logarithmic=min(float(np.nanmin(v)) for v in finite) > 0)
    title = f"{capitalised(name)} against depth, tuned"
    return against_axis(panels, HIDDEN, y, title, caption, _columns(panels))


def _rates(ladders: Sequence[Ladder]) -> Figure | None:
    rates = [rung.rate for ladder in ladders for rung in ladder.rungs.values()]
    if not np.isfinite(rates).all() or len(set(rates)) < 2:
        return None
    panels = _panels(ladders, lambda ladder: [np.array([r.rate]) for r in ladder.rungs.values()])
    caption = "The learning rate with the least validation loss, of those that were tried."
    y = Axis("best learning rate", logarithmic=True)
    title = "The learning rate that each depth wants"
    # all seeds have the same rate
    return without_seeds(panels, HIDDEN, y, title, caption, _columns(panels))


def _columns(panels: Sequence[Panel]) -> int | None:
    """A row for each price."""
    prices = len({panel.title.split("\n")[1] for panel in panels})
    return len(panels) // prices if prices > 1 and len(panels) % prices == 0 else None


def _panels(
    ladders: Sequence[Ladder], samples: Callable[[Ladder], list[Float64[ndarray, "_"]]]
) -> list[Panel]:
    """One panel a price and activation, one line an initializer."""
    panels = []
    for (price, name), mine in grouped(ladders, lambda x: (x.price, x.activation)).items():
        curves = tuple(
            Curve(
                ladder.start or ladder.label, np.array(ladder.depths, np.float64), samples(ladder)
            )
            for ladder in mine
        )
        panels.append(Panel(f"{name}\n{price}", curves))
    return panels
