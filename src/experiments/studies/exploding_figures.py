"""The figures of the exploding-gradient study: growth against depth, and how training ends."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from experiments.core.interval import Interval
from experiments.core.study import Figure
from experiments.reporting.configurations import text
from experiments.reporting.figures import Axis, Curve, Panel, depth_profile, heat_map
from experiments.studies.reading import Family

#: log10 of the largest float32
FLOAT32 = 38.531839
HIDDEN = Axis("depth (hidden layers)")


@runtime_checkable
class Ending(Protocol):
    """How training ends at one depth."""

    @property
    def label(self) -> str:
        """Name of the networks."""

    def learns(self, depth: int) -> Interval:
        """Share of seeds that learn."""

    def diverges(self, depth: int) -> float:
        """Share of runs that end in numbers that are not finite."""


def figures(found: Sequence[Family], endings: Sequence[Ending]) -> tuple[Figure, ...]:
    """All of them; those for which nothing was recorded are left out."""
    depths = sorted({depth for family in found for depth in family.depths})
    drawn = [_growth(found), _learning(endings, depths), _divergence(endings, depths)]
    return tuple(figure for figure in drawn if figure is not None)


def _growth(found: Sequence[Family]) -> Figure | None:
    panels = []
    names = [str(family.rows["activation"].iloc[0]) for family in found]
    for name in dict.fromkeys(names):
        curves = tuple(
            Curve(
                _short(family.label),
                np.array(family.depths, np.float64),
                family.by_depth("first"),
                family.first_predicted,
            )
            for family, mine in zip(found, names, strict=True)
            if mine == name and family.depths
        )
        panels.append(Panel(text(name), curves, (("largest float32", FLOAT32),)))
    if not any(np.isfinite(v).any() for p in panels for c in p.curves for v in c.samples):
        return None
    caption = (
        "Norm of δ = dC/dz at the first layer with weights before training, from the scaled recursion: "
        "above the dotted line no float32 holds it. Dashed: mean field, from the measured norm at the "
        "output."
    )
    title = "The first layer's gradient against depth"
    return depth_profile(panels, title, caption, x=HIDDEN)


def _short(label: str) -> str:
    """A family's label without its activation, which the panel names, and without the plain law."""
    return " · ".join(part for part in label.split(" · ")[1:] if part != "gaussian") or label


def _learning(endings: Sequence[Ending], depths: Sequence[int]) -> Figure | None:
    values = np.array([[ending.learns(depth).value for depth in depths] for ending in endings])
    if not np.isfinite(values).any():
        return None
    caption = (
        "Share of seeds whose validation accuracy ends clearly above chance, at the best learning rate "
        "that was tried."
    )
    words = "share of seeds that learn", "Which of them learn"
    return _shares(values, endings, depths, *words, caption)


def _divergence(endings: Sequence[Ending], depths: Sequence[int]) -> Figure | None:
    values = np.array([[ending.diverges(depth) for depth in depths] for ending in endings])
    if not np.nansum(values) > 0:
        return None
    caption = (
        "Share of runs, all learning rates together, whose loss was not finite at some step. A bounded "
        "activation keeps the loss finite until the gradient itself overflows."
    )
    words = "share of runs not finite", "Which of them leave the floats"
    return _shares(values, endings, depths, *words, caption)


def _shares(
    values: np.ndarray,
    endings: Sequence[Ending],
    depths: Sequence[int],
    measure: str,
    title: str,
    caption: str,
) -> Figure:
    """One row an ending, one column a depth."""
    rows, columns = [ending.label for ending in endings], [str(depth) for depth in depths]
    return heat_map(
        values, rows, columns, measure, title, caption, labels=("", HIDDEN.label), limits=(0.0, 1.0)
    )
