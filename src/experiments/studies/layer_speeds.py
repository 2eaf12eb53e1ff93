"""Nielsen's layer speeds: how much slower does each layer below learn?

Nielsen (2015, chapter 5) calls the norm of the bias gradient a layer's speed: delta^[l] averaged over 1,000
images, then its Euclidean norm, before training. He shows one draw. Drawn here for many seeds, against
mean field, whose factor a layer is sqrt(chi) at sigma_w = sigma_b = 1 far from input and output, less what
a finite width takes from the logarithm::

    sqrt(chi) exp(-V / 4),    V = (3 E sigma'^4 / (E sigma'^2)^2 - 1) / n

(``reading.one_example``: after a layer all images are nearly parallel, c* = 1, and their mean behaves as one
of them); and for the squared error, whose delta^[L] has one sigma' more: the whole column moves down by
about a layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from pandas import DataFrame, Series, concat

from experiments.core.interval import Interval
from experiments.core.study import Figure, Findings, Study, Table, Verdict
from experiments.reporting.configurations import text
from experiments.reporting.figures import Axis, Curve, Panel, depth_profile
from experiments.reporting.intervals import mean_interval
from experiments.reporting.profiles import at_step, layers_of
from experiments.reporting.summary import bounds
from experiments.studies.reading.family import DEPTH
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.one_example import kept_by_one
from experiments.studies.reading.rooms import activation_of
from experiments.studies.reading.spread import seeds_of
from experiments.studies.reading.start import start_of
from experiments.studies.reading.verdicts import NOTHING, decided, over, unanswered

SPEED = "bias_gradient_norm"
ENTROPY, SQUARED = "binary_cross_entropy", "half_squared_error"
#: by depth: printed by Nielsen's program for one draw on MNIST, cross-entropy, first hidden layer first
PUBLISHED = {
    2: (0.06574, 0.30922),
    3: (0.01184, 0.05997, 0.28314),
    4: (0.00298, 0.01708, 0.06954, 0.28514),
}
#: the speed of a hidden layer over that of the layer above it is the predicted one to this share: 1 % for the
#: ends (sqrt(chi) at the first layer's own length is 0.7 % above that at the fixed point) and 1.5 % for the
#: draws (their standard error is 0.6 % at 100)
TOLERANCE = 0.025
#: where an interval lies, in words
WHERE = {True: "lies within", False: "lies outside", None: "straddles an end of"}
#: speed with cross-entropy over speed with the squared error
GAP = (4.85, 5.45)


@final
class LayerSpeeds(Study):
    """Depth x loss x seed."""

    question: ClassVar[str] = (
        "How much slower does each layer of a sigmoid network learn than the one above it?"
    )
    claim: ClassVar[str] = (
        "A hidden layer's speed is √χ exp(−V/4) of that of the layer above, V = (3 E σ′⁴ / (E σ′²)² − 1) "
        f"/ n, to {100 * TOLERANCE:g} %; Nielsen's published speeds lie among 90 % of the draws; with the "
        f"squared error speeds are {GAP[0]:g} to {GAP[1]:g} times smaller, averaged over layers and depths."
    )
    refuted_by: ClassVar[str] = (
        "An interval of the first factor outside the predicted one's tolerance, or of the second outside "
        "its range; a published speed outside the 5 to 95 % band."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        nets = nets_of(rows, ledger)
        if not nets:
            return unanswered(
                "No ledger holds bias gradients of sigmoid networks of two hidden layers or more."
            )
        verdicts = [*_ratios(nets), *_published(nets), *_gap(nets)]
        return Findings(tuple(verdicts), (_table(nets),), (_figure(nets),))


@dataclass(frozen=True)
class Net:
    """Networks that differ in their seed alone.

    Args:
        loss: option name.
        depth: hidden layers.
        rows: of the results.
        speeds: log10 of every seed's speed of every hidden layer, the first one first.
        seeds: the seed of every row of ``speeds``.
    """

    loss: str
    depth: int
    rows: DataFrame
    speeds: Float64[ndarray, "seeds layers"]
    seeds: Int64[ndarray, " seeds"]

    def geometric(self, layer: int) -> Interval:
        """Geometric mean over seeds of the speed of hidden layer 1, 2, ..."""
        return mean_interval(self.speeds[:, layer - 1]).map(lambda log: float(10.0**log))

    def band(self, layer: int) -> tuple[float, float]:
        """Where 90 % of the draws are."""
        finite = self.speeds[np.isfinite(self.speeds[:, layer - 1]), layer - 1]
        low, high = 10.0 ** np.quantile(finite, (0.05, 0.95)) if len(finite) else (np.nan, np.nan)
        return float(low), float(high)


def nets_of(rows: DataFrame, ledger: DataFrame) -> list[Net]:
    """One for every loss and depth, of sigmoid networks with two hidden layers or more."""
    if SPEED not in ledger:
        return []
    start = at_step(ledger, 0)
    nets = []
    rows = rows[(rows["activation"] == "sigmoid") & (rows[DEPTH] >= 2)]
    for (loss, depth), group in rows.groupby(["loss", DEPTH], sort=True):
        layers, norms = layers_of(start, list(group["cell"]), SPEED)
        if len(layers) == depth + 1:
            # 0 and infinity become NaN, which intervals leave out and count
            known = (norms > 0) & np.isfinite(norms)
            speeds = np.log10(np.where(known, norms, np.nan))[:, :-1]
            nets.append(Net(str(loss), int(depth), group, speeds, seeds_of(start, group)))
    return nets


@dataclass(frozen=True)
class Theory:
    """The predicted factor a layer.

    Args:
        limit: sqrt(chi), at infinite width.
        factor: sqrt(chi) exp(-V / 4), at the networks' width.
    """

    limit: float
    factor: float


def _theory(nets: Sequence[Net]) -> Theory | None:
    """At the fixed point of the networks' own initializer; None where there is none."""
    row = nets[0].rows.iloc[0].to_dict()
    start = start_of(row)
    if start is None or start.point.diverges:
        return None
    limit, width = float(start.point.chi**0.5), int(row["model.width"])
    return Theory(limit, kept_by_one(limit, activation_of(row), start.point.q, width))


# -- verdicts --------------------------------------------------------------------------------------


def _ratios(nets: Sequence[Net]) -> list[Verdict]:
    """For each loss the factor a layer: a seed's mean over all neighbouring hidden layers of its networks."""
    verdicts = []
    theory = _theory(nets)
    for loss, mine in grouped(nets, lambda net: net.loss).items():
        steps = [-np.diff(net.speeds, axis=1).mean(1) for net in mine]
        weights = [float(net.depth - 1) for net in mine]
        mean = np.average(_by_seed(mine, steps), axis=1, weights=weights)
        ratio = mean_interval(mean).map(lambda log: float(10.0**log))
        sentence = (
            f"{text(loss)}: a hidden layer's speed is {ratio} of that of the layer above, averaged over "
            "layers and depths"
        )
        if theory is None:
            verdicts.append(Verdict(sentence + "; nothing is predicted here.", "undecided"))
            continue
        inside = ratio.within((1 - TOLERANCE) * theory.factor, (1 + TOLERANCE) * theory.factor)
        sentence += (
            f". Predicted: {theory.factor:.3g} = √χ exp(−V/4), mean field's √χ = {theory.limit:.3g} less "
            f"what this width takes. The interval {WHERE[inside]} {100 * TOLERANCE:g} % of it, "
            f"{_holds(ratio, theory.factor)} it as it stands, and {_holds(ratio, theory.limit)} √χ."
        )
        if loss != nets[0].loss:
            sentence += " The losses share their draws: this is nearly the same measurement."
        verdicts.append(Verdict(sentence, decided(inside)))
    return verdicts


def _by_seed(
    nets: Sequence[Net], values: Sequence[Float64[ndarray, " seeds"]]
) -> Float64[ndarray, "seeds nets"]:
    """One number of each network side by side, for the seeds that all of them have."""
    columns = [
        Series(samples, index=net.seeds).groupby(level=0).mean()
        for net, samples in zip(nets, values, strict=True)
    ]
    return np.asarray(concat(columns, axis=1, join="inner"), np.float64)


def _holds(interval: Interval, value: float) -> str:
    if not interval.known:
        return "says nothing of"
    return "holds" if interval.low <= value <= interval.high else "excludes"


def _published(nets: Sequence[Net]) -> list[Verdict]:
    """Is each published speed one that these draws give?"""
    verdicts = []
    for net in nets:
        if net.loss != ENTROPY or net.depth not in PUBLISHED:
            continue
        inside, parts = [], []
        for layer, speed in enumerate(PUBLISHED[net.depth], start=1):
            low, high = net.band(layer)
            inside.append(None if len(net.speeds) < 20 else low <= speed <= high)
            parts.append(f"{speed:.3g} in [{low:.3g}, {high:.3g}]")
        sentence = (
            f"{net.depth} hidden layers: the published speeds and the 5 to 95 % band of "
            f"{len(net.speeds)} draws: {', '.join(parts)}."
        )
        verdicts.append(Verdict(sentence, decided(*inside)))
    return verdicts


def _gap(nets: Sequence[Net]) -> list[Verdict]:
    """Cross-entropy over squared error, seed by seed, over all layers and depths."""
    pairs = [
        (a, b)
        for a in nets
        for b in nets
        if (a.loss, b.loss) == (ENTROPY, SQUARED) and a.depth == b.depth
    ]
    if not pairs:
        return []
    both = [net for pair in pairs for net in pair]
    means = _by_seed(both, [net.speeds.mean(1) for net in both])
    leads = (means[:, ::2] - means[:, 1::2]).mean(1)
    gap = mean_interval(leads).map(lambda log: float(10.0**log))
    sentence = (
        f"With cross-entropy the speeds are {gap} times those with the squared error, averaged over "
        "layers and depths."
    )
    return [Verdict(sentence, decided(gap.within(*GAP)))]


# -- table and figure ------------------------------------------------------------------------------


def _table(nets: Sequence[Net]) -> Table:
    rows = []
    for net in nets:
        published = PUBLISHED.get(net.depth, ()) if net.loss == ENTROPY else ()
        for layer in range(1, net.depth + 1):
            speed, (low, high) = net.geometric(layer), net.band(layer)
            rows.append({
                "loss": text(net.loss), "depth": net.depth, "hidden layer": layer,
                "seeds": speed.seeds, "speed": speed.value, "95 %": bounds(speed),
                "90 % of draws": f"[{low:.3g}, {high:.3g}]",
                "published": published[layer - 1] if published else np.nan,
            })  # fmt: skip
    caption = (
        "Speed: the norm of the bias gradient of the mean cost, ‖mean over images of δ‖, before "
        "training; geometric means over seeds. Published: one draw on MNIST; these are the 8 × 8 digits."
    )
    return Table("Speeds of the layers", caption, DataFrame(rows))


def _figure(nets: Sequence[Net]) -> Figure:
    theory = _theory(nets)
    panels = []
    for loss, mine in grouped(nets, lambda net: net.loss).items():
        curves = []
        for net in mine:
            # from the measured top layer downwards by theory's factor
            x = np.arange(1.0, net.depth + 1)
            top = net.speeds[np.isfinite(net.speeds[:, -1]), -1]
            line = None
            if theory is not None and len(top):
                line = top.mean() + np.log10(theory.factor) * (net.depth - x)
            curves.append(Curve(f"{net.depth} hidden layers", x, list(net.speeds.T), line))
        panels.append(Panel(text(loss), tuple(curves)))
    caption = (
        "Speed ‖mean over images of δ‖ of every hidden layer before training. Dashed: √χ exp(−V/4) "
        "a layer, down from the measured speed of the last hidden layer."
    )
    speed = Axis("speed: norm of the bias gradient", decades=True)
    return depth_profile(
        panels, "How fast each layer learns", caption, x=Axis("hidden layer"), y=speed
    )
