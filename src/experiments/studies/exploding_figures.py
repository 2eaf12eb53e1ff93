"""The figures of the exploding-gradient study: growth against depth, and how training ends."""

from collections.abc import Sequence

import numpy as np

from experiments.core.study import Figure
from experiments.reporting.configurations import text
from experiments.reporting.figures import Axis, Curve, Panel, depth_profile, heat_map
from experiments.studies.exploding_growth import LARGEST, Explosion
from experiments.studies.reading.grouping import grouped, present, without_first

HIDDEN = Axis("depth (hidden layers)")


def figures(explosions: Sequence[Explosion]) -> tuple[Figure, ...]:
    """All of them; those for which nothing was recorded are left out."""
    depths = sorted({depth for e in explosions for depth in e.family.depths})
    return present(
        _growth(explosions), _learning(explosions, depths), _divergence(explosions, depths)
    )


def _growth(explosions: Sequence[Explosion]) -> Figure | None:
    panels = []
    for name, mine in grouped(explosions, lambda e: e.activation).items():
        curves = tuple(
            Curve(
                without_first(e.label, 1) or e.label,  # the panel names the activation
                np.array(e.family.depths, np.float64),
                e.family.by_depth("first"),
                e.family.first_predicted,
            )
            for e in mine
            if e.family.depths
        )
        panels.append(Panel(text(name), curves, (("largest float32", LARGEST["float32"]),)))
    if not any(np.isfinite(v).any() for p in panels for c in p.curves for v in c.samples):
        return None
    caption = (
        "Norm of δ = dC/dz at the first layer with weights before training, from the scaled recursion: "
        "above the dotted line no float32 holds it. Dashed: mean field, from the measured norm at the "
        "output; where depth is not small against width the points fall below it (the verdicts say by "
        "how much)."
    )
    title = "The first layer's gradient against depth"
    return depth_profile(panels, title, caption, x=HIDDEN)


def _learning(explosions: Sequence[Explosion], depths: Sequence[int]) -> Figure | None:
    values = np.array([[e.learns(depth).value for depth in depths] for e in explosions])
    if not np.isfinite(values).any():
        return None
    caption = (
        "Share of seeds whose validation accuracy ends clearly above chance, at the best learning rate "
        "that was tried."
    )
    return _shares(
        values, explosions, depths, "share of seeds that learn", "Which of them learn", caption
    )


def _divergence(explosions: Sequence[Explosion], depths: Sequence[int]) -> Figure | None:
    values = np.array([[e.diverges(depth) for depth in depths] for e in explosions])
    if not np.nansum(values) > 0:
        return None
    caption = (
        "Share of runs, all learning rates together, whose loss was not finite at some step. A bounded "
        "activation keeps the loss finite until the gradient itself overflows."
    )
    title = "Which of them leave the floats"
    return _shares(values, explosions, depths, "share of runs not finite", title, caption)


def _shares(
    values: np.ndarray,
    explosions: Sequence[Explosion],
    depths: Sequence[int],
    measure: str,
    title: str,
    caption: str,
) -> Figure:
    """One row for each combination, one column for each depth."""
    rows, columns = [e.label for e in explosions], [str(depth) for depth in depths]
    return heat_map(
        values, rows, columns, measure, title, caption, labels=("", HIDDEN.label), limits=(0.0, 1.0)
    )
