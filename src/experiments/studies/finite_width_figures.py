"""The figures of the finite-width study: the collapse over depth / width, the law, the spreading profiles."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from pandas import DataFrame
from scipy.stats import norm

from experiments.core.study import Figure
from experiments.reporting.figures import Axis, Curve, Panel, against_axis, depth_profile
from experiments.reporting.figures.curves import BAND
from experiments.reporting.intervals import mean_interval
from experiments.reporting.profiles import at_step, layers_of
from experiments.studies.reading.family import DEPTH
from experiments.studies.reading.grouping import grouped, present
from experiments.studies.reading.spread import Gain, Spread, per_seed, variance_interval

GAINS: tuple[Gain, ...] = ("gradient", "signal")
#: bins of the histogram, in standard deviations
EDGES = np.linspace(-3.5, 3.5, 15)


def figures(spreads: Sequence[Spread], rows: DataFrame, ledger: DataFrame) -> tuple[Figure, ...]:
    """All of them; those with nothing to draw are left out."""
    return present(_collapse(spreads), _law(spreads), _profiles(spreads, rows, ledger))


def _collapse(spreads: Sequence[Spread]) -> Figure | None:
    """Variance of the log gain against sum 1/n, a line for each width."""
    panels = []
    for label, mine in grouped(spreads, lambda s: s.label).items():
        exact = any(s.law is not None and s.law.exact for s in mine)
        for gain in GAINS if exact else GAINS[:1]:
            curves = []
            for width in sorted({s.width for s in mine}):
                line = sorted((s for s in mine if s.width == width), key=lambda s: s.depth)
                curves.append(_line(f"width {width}", line, gain))
            panels.append(Panel(f"{label}\n{gain}", tuple(curves)))
    if not any(np.isfinite(v).all() for p in panels for c in p.curves for v in c.samples):
        return None
    caption = (
        "Variance over seeds of the log of the squared norm's gain, against the sum of 1/n over the "
        "layers. Lines of different widths fall together: depth over width is what counts. Dashed: the "
        "exact law for ReLU and linear networks, which is the signal's and nearly the gradient's; for "
        "others the leading order in 1/n."
    )
    x = Axis("Σ 1/n  (depth / width)", logarithmic=True)
    y = Axis("variance of ln gain", logarithmic=True)
    return against_axis(panels, x, y, "Spread against depth over width", caption)


def _line(label: str, line: Sequence[Spread], gain: Gain) -> Curve:
    values = [variance_interval(getattr(s, gain)) for s in line]
    laws = [np.nan if s.law is None else s.law.variance for s in line]
    return Curve(
        label,
        np.array([s.thinness for s in line]),
        [np.array([v.value]) for v in values],
        np.array(laws),
        np.array([[v.low for v in values], [v.high for v in values]]),
    )


def _law(spreads: Sequence[Spread]) -> Figure | None:
    """All networks with an exact law, in its units, against the normal density."""
    panels = []
    exact = [s for s in spreads if s.law is not None and s.law.exact]
    for label, mine in grouped(exact, lambda s: s.label).items():
        seeds = np.concatenate([s.seeds for s in mine])
        curves = []
        for gain in GAINS:
            pooled = np.concatenate([s.standardised(gain) for s in mine])
            if np.isfinite(pooled).sum() >= 30:
                curves.append(_histogram(gain, pooled, seeds))
        if curves:
            count, owners = np.isfinite(pooled).sum(), len(np.unique(seeds))
            panels.append(Panel(f"{label}\n{count} networks of {owners} seeds", tuple(curves)))
    if not panels:
        return None
    caption = (
        "Log gains of networks of all shapes, in units of the exact law's mean and standard deviation. "
        "Dashed: the normal density, the log-normal law of Hanin & Nica. Networks of one seed share "
        "weights: the intervals are over whole seeds."
    )
    x, y = Axis("standard deviations from the exact mean"), Axis("density")
    return against_axis(panels, x, y, "The law of the log gain", caption)


def _histogram(
    name: str, pooled: Float64[ndarray, " networks"], seeds: Int64[ndarray, " networks"]
) -> Curve:
    """Share of the networks in each bin over its width; its interval from the seeds' own shares."""
    kept, owners = pooled[np.isfinite(pooled)], seeds[np.isfinite(pooled)]
    width = float(EDGES[1] - EDGES[0])
    inside = [((EDGES[k] <= kept) & (kept < EDGES[k + 1])) / width for k in range(len(EDGES) - 1)]
    density = [mean_interval(per_seed(bin_.astype(np.float64), owners)) for bin_ in inside]
    fine = np.linspace(EDGES[0], EDGES[-1], 201)
    return Curve(
        name,
        (EDGES[1:] + EDGES[:-1]) / 2,
        [np.array([d.value]) for d in density],
        np.exp(-(fine**2) / 2) / math.sqrt(2 * math.pi),
        np.array([[d.low for d in density], [d.high for d in density]]),
        predicted_at=fine,
    )


def _profiles(spreads: Sequence[Spread], rows: DataFrame, ledger: DataFrame) -> Figure | None:
    """Gradient norm layer by layer at the greatest depth, relative to the last hidden layer.

    Where the law is exact, its mean and the middle 80 % of a normal variable with its variance are dashed,
    for the narrowest networks, whose band is the widest.
    """
    deepest = max(s.depth for s in spreads)
    start = at_step(ledger, 0)
    panels = []
    for name in dict.fromkeys(s.activation for s in spreads):
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
            law = _exact_band(spreads, name, deepest)
            if law is not None:
                at = curves[0].x
                curves[0] = replace(
                    curves[0],
                    predicted=np.concatenate([[*line, np.nan] for line in law]),
                    predicted_at=np.concatenate([[*at, np.nan]] * len(law)),
                )
            panels.append(Panel(name, tuple(curves)))
    if not panels:
        return None
    caption = (
        f"Norm of δ at every hidden layer l, divided by its norm at the last hidden layer, depth {deepest}, "
        "one example each: towards the input the seeds spread, the more the narrower the network. Dashed, "
        "for the narrowest networks: the exact law, its mean and the middle 80 % of a normal variable "
        "with its variance."
    )
    y = Axis("norm of δ / that of last hidden layer", decades=True)
    return depth_profile(panels, f"Seeds drift apart, depth {deepest}", caption, y=y)


def _exact_band(spreads: Sequence[Spread], activation: str, depth: int) -> list[ndarray] | None:
    """Lower end, mean and upper end of log10 of the relative norm, layer by layer; narrowest networks."""
    mine = [s for s in spreads if (s.activation, s.depth) == (activation, depth)]
    narrow = min(mine, key=lambda s: s.width, default=None)
    if narrow is None or narrow.law is None or not narrow.law.exact:
        return None
    share = np.arange(narrow.steps, -1, -1) / narrow.steps  # of the steps from a layer to the last
    mean = narrow.law.mean * share
    reach = norm.ppf(BAND[1]) * np.sqrt(narrow.law.variance * share)
    return [line / (2 * math.log(10)) for line in (mean - reach, mean, mean + reach)]
