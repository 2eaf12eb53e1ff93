"""How far does one drawn network stray from the mean field, and what decides it?

Mean field says what a layer does to a gradient on average; at width n each layer also multiplies it by a
random number, and over depth the logarithms add up. For ReLU and linear networks the law of the log of a
squared norm's gain is known exactly (``theory.finite_width``); it is about normal with variance beta, which
is 5 sum 1/n or 2 sum 1/n. Measured at initialisation with one example each, so that signal and gradient are
single vectors.

The law is the signal's. The gradient's is the same where delta^[L] is drawn on its own. Here it depends on
the output, and without biases what it shares with the signal is drawn once, not at every layer::

    <z^[l], delta^[l]> = <W^[l] a^[l-1], delta^[l]> = <a^[l-1], (W^[l])^T delta^[l]> = <z^[l-1], delta^[l-1]>

so that it does not average out over depth: it adds to the variance a term of order (depth / width)^2.

Networks of one seed share the weights of their lower layers, whatever their depths. Where shapes are pooled,
whole seeds are drawn again.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.intervals import mean_interval
from experiments.reporting.summary import bounds
from experiments.studies.finite_width_figures import figures
from experiments.studies.reading.family import DEPTH
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.spread import (
    WIDTH,
    Gain,
    Spread,
    per_seed,
    spreads_of,
    variance_interval,
    variance_over_seeds,
    variance_ratio,
)
from experiments.studies.reading.verdicts import NOTHING, decided, listed, over, unanswered

#: measured over exact variance: of the signal pooled over all shapes, of the gradient over the widths
VARIANCE_OFF = 0.2
#: offset of the signal's mean in units of the exact standard deviation, pooled over all shapes
MEAN_OFF = 0.15
#: a ratio of two variances against the exact one: within this factor
RATIO_OFF = 2.0


@final
class FiniteWidth(Study):
    """Width x depth x activation x seed, nothing trained."""

    question: ClassVar[str] = (
        "How far does one drawn network's gradient stray from the mean, and what decides it?"
    )
    claim: ClassVar[str] = (
        "The gain of some layers is the factor by which they multiply a squared norm: the signal's on its "
        "way up, the gradient's on its way down. In ReLU networks with He's initialisation and in linear "
        "ones with LeCun's, the log of the signal's gain follows an exact law, layer by layer: its variance "
        "over draws is about β = 5 Σ 1/n (ReLU) or 2 Σ 1/n (linear). Doubling the width halves it; the "
        "gradient nearly follows the same law."
    )
    refuted_by: ClassVar[str] = (
        f"Of the signal, over all shapes: a variance that differs from the exact one by more than "
        f"{VARIANCE_OFF:.0%}, or a mean that is off by more than {MEAN_OFF:g} standard deviations. Of the "
        f"gradient: such a variance at any one depth. Of two widths: variances whose ratio is off by a "
        f"factor {RATIO_OFF:g}."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        spreads = [s for s in spreads_of(rows, ledger) if len(s.gradient)]
        if not spreads:
            return unanswered(
                "No cell with two hidden layers has a ledger, so no gain was measured."
            )
        verdicts = [
            *_law(spreads), *_widths(spreads), *_consequence(spreads), *_rates(spreads),
            *_left_out(rows),
        ]  # fmt: skip
        return Findings(tuple(verdicts), (_table(spreads),), figures(spreads, rows, ledger))


# -- verdicts --------------------------------------------------------------------------------------


def _exact(spreads: Sequence[Spread]) -> list[Spread]:
    return [s for s in spreads if s.law is not None and s.law.exact]


def _left_out(rows: DataFrame) -> list[Verdict]:
    """The cells of which no gain is read: there must be two hidden layers, of one width."""
    count = int((rows[WIDTH].isna() | ~(rows[DEPTH] >= 2)).sum())
    if not count:
        return []
    return [
        Verdict(
            f"Left out {count} of {len(rows)} cells, whose hidden layers differ in width or are fewer "
            "than two.",
            "measured",
        )
    ]


def _law(spreads: Sequence[Spread]) -> list[Verdict]:
    """For every kind of network with an exact law: the signal over all shapes, the gradient by depth."""
    exact = _exact(spreads)
    if not exact:
        return [
            Verdict(
                "No ReLU or linear network with normal weights, no biases and one example each "
                "(trainer.batch_size=1) is here, so the exact law cannot be judged.",
                "undecided",
            )
        ]
    verdicts = []
    for label, mine in grouped(exact, lambda s: s.label).items():
        verdicts += [_signal(label, mine), _gradient(label, mine)]
    return verdicts


def _signal(label: str, mine: Sequence[Spread]) -> Verdict:
    spread, offset = _against_the_law(mine, "signal")
    sentence = (
        f"{label}, the signal: over {sum(len(s.signal) for s in mine)} networks of {spread.seeds} seeds "
        "(networks of one seed share weights, so it is the seeds that count) the variance of the log "
        f"gain is {spread} times the exact law's, and the mean is off by {offset} standard deviations."
    )
    known = spread.within(1 - VARIANCE_OFF, 1 + VARIANCE_OFF), offset.within(-MEAN_OFF, MEAN_OFF)
    return Verdict(sentence, decided(*known))


def _gradient(label: str, mine: Sequence[Spread]) -> Verdict:
    by_depth = grouped(sorted(mine, key=lambda s: s.depth), lambda s: s.depth)
    ratios = {depth: _against_the_law(same, "gradient")[0] for depth, same in by_depth.items()}
    parts = [f"{ratio} at depth {depth}" for depth, ratio in ratios.items()]
    excluded = [
        str(depth)
        for depth, ratio in ratios.items()
        if ratio.decides and not ratio.low <= 1 <= ratio.high
    ]
    sentence = f"{label}, the gradient: the variance, over the law's, is {listed(parts)}."
    if excluded:
        sentence += (
            f" At depth {listed(excluded)} the interval excludes the law. The law is for a δ drawn on its "
            "own; here δ depends on the output, and what it shares with the signal is the same at every "
            "layer and does not average out."
        )
    dead = sum(int((~np.isfinite(s.gradient)).sum()) for s in mine)
    if dead:
        sentence += f" {dead} networks had died and are left out."
    known = [ratio.within(1 - VARIANCE_OFF, 1 + VARIANCE_OFF) for ratio in ratios.values()]
    return Verdict(sentence, decided(*known))


def _against_the_law(mine: Sequence[Spread], gain: Gain) -> tuple[Interval, Interval]:
    """Variance and mean in units of the exact law; shapes pooled, seeds resampled."""
    values = np.concatenate([s.standardised(gain) for s in mine])
    seeds = np.concatenate([s.seeds for s in mine])
    return variance_over_seeds(values, seeds), mean_interval(per_seed(values, seeds))


def _widths(spreads: Sequence[Spread]) -> list[Verdict]:
    """At the greatest depth: the ratio of the gradient's variances at adjacent widths."""
    exact = _exact(spreads)
    if not exact:
        return []
    deepest = max(s.depth for s in exact)
    mine = sorted((s for s in exact if s.depth == deepest), key=lambda s: s.width)
    verdicts = []
    for label, same in grouped(mine, lambda s: s.label).items():
        parts, known = [], []
        for narrow, wide in pairwise(same):
            if narrow.law is None or wide.law is None:
                continue
            ratio = variance_ratio(narrow.gradient, wide.gradient)
            expected = narrow.law.variance / wide.law.variance
            parts.append(
                f"by a factor {ratio} from width {narrow.width} to {wide.width} (exact: {expected:.3g})"
            )
            known.append(ratio.within(expected / RATIO_OFF, expected * RATIO_OFF))
        if parts:
            sentence = (
                f"{label}, depth {deepest}: the variance of the gradient's log gain falls "
                f"{listed(parts)}."
            )
            verdicts.append(Verdict(sentence, decided(*known)))
    return verdicts or [Verdict("One width only: what width does is not known.", "undecided")]


def _consequence(spreads: Sequence[Spread]) -> list[Verdict]:
    """By which factor gradient norms vary over seeds, at the greatest and the least depth / width."""
    known = [s for s in spreads if np.isfinite(s.gradient).sum() >= 5]
    if not known:
        return []
    label = max(known, key=lambda s: s.gradient[np.isfinite(s.gradient)].var()).label
    order = sorted((s for s in known if s.label == label), key=lambda s: -s.thinness)
    parts = []
    for s in (order[0], order[-1])[: len(order)]:
        finite = s.gradient[np.isfinite(s.gradient)]
        factor = float(np.exp(np.subtract(*np.quantile(finite, [0.95, 0.05])) / 2))
        parts.append(f"a factor {_plain(factor)} at width {s.width} and depth {s.depth}")
    sentence = (
        f"{label}: the middle 90 % of seeds' gradient norms, first hidden layer's over last one's, span "
        f"{listed(parts)}."
    )
    return [Verdict(sentence, "measured")]


def _plain(x: float) -> str:
    """Three digits without an exponent.

    >>> _plain(1258.9), _plain(3.14159)
    ('1,260', '3.14')
    """
    return f"{float(f'{x:.3g}'):,.0f}" if x >= 100 else f"{x:.3g}"


def _rates(spreads: Sequence[Spread]) -> list[Verdict]:
    """The rate of other activations: variance over sum 1/n, against the leading order."""
    parts = []
    for label, mine in grouped(spreads, lambda s: s.label).items():
        if any(s.law is None or s.law.exact for s in mine):
            continue
        units = np.concatenate([
            (s.gradient - np.mean(s.gradient[np.isfinite(s.gradient)])) / s.thinness**0.5 for s in mine
        ])  # fmt: skip
        measured = variance_over_seeds(units, np.concatenate([s.seeds for s in mine]))
        expected = np.mean([s.law.variance / s.thinness for s in mine if s.law is not None])
        parts.append(f"{label} {measured} (theory, to leading order in 1/n: {expected:.3g})")
    if not parts:
        return []
    sentence = (
        f"Elsewhere the variance of the gradient's log gain, over Σ 1/n, is: {listed(parts)}."
    )
    return [Verdict(sentence, "measured")]


def _a_step(total: Interval, steps: int) -> Interval:
    return total.map(lambda value: value / steps)


# -- table -----------------------------------------------------------------------------------------


def _table(spreads: Sequence[Spread]) -> Table:
    rows = []
    for s in spreads:
        steps = s.steps
        mean = _a_step(mean_interval(s.gradient), steps)
        variance = _a_step(variance_interval(s.gradient), steps)
        rows.append({
            "networks": s.label, "width": s.width, "depth": s.depth, "Σ 1/n": s.thinness,
            "seeds": len(s.gradient),
            "mean a layer": mean.value, "95 %": bounds(mean),
            "law: mean": np.nan if s.law is None else s.law.mean / steps,
            "variance a layer": variance.value, "95 % ": bounds(variance),
            "law: variance": np.nan if s.law is None else s.law.variance / steps,
            "law is": "not known" if s.law is None else "exact" if s.law.exact else "leading order",
            "dead": int((~np.isfinite(s.gradient)).sum()),
        })  # fmt: skip
    caption = (
        "Of the natural logarithm of the gradient's squared norm at the first hidden layer over that at "
        "the last, divided by the number of steps. Σ 1/n counts the steps. Intervals: Student's for means, "
        "chi-squared for variances. Exact: for the signal, and for a gradient whose δ at the output is "
        "drawn on its own. Leading order: of the variance in 1/n, with what the scatter of the signal's "
        "length does to the gains; the mean leaves that out."
    )
    return Table("Mean and variance of the log gain", caption, DataFrame(rows))
