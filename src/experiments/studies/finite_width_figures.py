"""The figures of the finite-width study: the collapse over depth / width, the law, the spreading profiles."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.study import Figure
from experiments.reporting.figures import Axis, Curve, Panel, against_axis, depth_profile
from experiments.reporting.profiles import at_step, layers_of
from experiments.studies.reading import DEPTH, Spread, variance_interval

#: bins of the histogram, in standard deviations
EDGES = np.linspace(-3.5, 3.5, 15)


def figures(found: Sequence[Spread], rows: DataFrame, ledger: DataFrame) -> tuple[Figure, ...]:
    """All of them; those with nothing to draw are left out."""
    drawn = [_collapse(found), _law(found), _profiles(found, rows, ledger)]
    return tuple(figure for figure in drawn if figure is not None)


def _collapse(found: Sequence[Spread]) -> Figure | None:
    """Variance of the log gain against sum 1/n, a line for each width."""
    panels = []
    for label in dict.fromkeys(s.label for s in found):
        mine = [s for s in found if s.label == label]
        exact = any(s.law is not None and s.law.exact for s in mine)
        for name in ("gradient", "signal") if exact else ("gradient",):
            curves = []
            for width in sorted({s.width for s in mine}):
                line = sorted((s for s in mine if s.width == width), key=lambda s: s.depth)
                curves.append(_line(f"width {width}", line, name))
            panels.append(Panel(f"{label}\n{name}", tuple(curves)))
    if not any(np.isfinite(v).all() for p in panels for c in p.curves for v in c.samples):
        return None
    caption = (
        "Variance over seeds of the log of the squared norm's gain, against the sum of 1/n over the "
        "layers. Lines of different widths fall together: depth over width is what counts. Dashed: the "
        "exact law for ReLU, mean field's leading order for others."
    )
    x = Axis("Σ 1/n  (depth / width)", logarithmic=True)
    y = Axis("variance of ln gain", logarithmic=True)
    return against_axis(panels, x, y, "Spread against depth over width", caption)


def _line(label: str, line: Sequence[Spread], name: str) -> Curve:
    values = [variance_interval(s.gradient if name == "gradient" else s.signal) for s in line]
    laws = [np.nan if s.law is None else s.law.variance for s in line]
    return Curve(
        label,
        np.array([s.thinness for s in line]),
        [np.array([v.value]) for v in values],
        np.array(laws),
        np.array([[v.low for v in values], [v.high for v in values]]),
    )


def _law(found: Sequence[Spread]) -> Figure | None:
    """All networks with an exact law, in its units, against the normal density."""
    curves = []
    for name in ("gradient", "signal"):
        parts = [
            ((s.gradient if name == "gradient" else s.signal) - s.law.mean) / s.law.variance**0.5
            for s in found
            if s.law is not None and s.law.exact
        ]
        pooled = np.concatenate([*parts, np.empty(0)])
        pooled = pooled[np.isfinite(pooled)]
        if len(pooled) >= 30:
            curves.append(_histogram(name, pooled))
    if not curves:
        return None
    caption = (
        f"Log gains of {len(pooled)} ReLU networks of all shapes, in units of the exact law's mean and "
        "standard deviation. Dashed: the normal density, the log-normal law of Hanin & Nica."
    )
    x, y = Axis("standard deviations from the exact mean"), Axis("density")
    return against_axis([Panel("", tuple(curves))], x, y, "The law of the log gain", caption)


def _histogram(name: str, pooled: Float64[ndarray, " networks"]) -> Curve:
    counts, _ = np.histogram(pooled, EDGES)
    width = float(EDGES[1] - EDGES[0])
    centres = (EDGES[1:] + EDGES[:-1]) / 2
    density, error = (v / (len(pooled) * width) for v in (counts, 1.96 * np.sqrt(counts)))
    normal = np.exp(-(centres**2) / 2) / math.sqrt(2 * math.pi)
    return Curve(
        name,
        centres,
        [np.array([d]) for d in density],
        normal,
        np.stack([density - error, density + error]),
    )


def _profiles(found: Sequence[Spread], rows: DataFrame, ledger: DataFrame) -> Figure | None:
    """Gradient norm layer by layer at the greatest depth, relative to the last hidden layer."""
    deepest = max(s.depth for s in found)
    start = at_step(ledger, 0)
    panels = []
    for name in dict.fromkeys(s.activation for s in found):
        curves = []
        mine = rows[(rows["activation"] == name) & (rows[DEPTH] == deepest)]
        for width, group in mine.groupby("model.width"):
            layers, values = layers_of(start, list(group["cell"]))
            if values.shape[1] > 2:
                relative = values[:, :-1] - values[:, [-2]]
                curves.append(
                    Curve(f"width {width}", layers[:-1].astype(np.float64), list(relative.T))
                )
        if curves:
            panels.append(Panel(name, tuple(curves)))
    if not panels:
        return None
    caption = (
        f"Norm of δ at every hidden layer over that of the last one, depth {deepest}, one example each: "
        "towards the input the seeds spread, the more the narrower the network."
    )
    return depth_profile(panels, f"Seeds drift apart, depth {deepest}", caption)
