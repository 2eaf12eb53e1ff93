"""How far does one drawn network stray from the mean field, and what decides it?

Mean field says what a layer does to a gradient on average; at width n each layer also multiplies it by a
random number, and over depth the logarithms add up. For ReLU networks the law of the log of a squared
norm's gain is known exactly (``theory.finite_width``); it is about normal with variance beta = 5 sum 1/n.
Measured at initialisation with one example each, so that signal and gradient are single vectors. The law
is the signal's; the gradient starts at delta^[L], which depends on the output and through it on the same
weights, and follows the law only nearly.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.intervals import mean_interval
from experiments.reporting.summary import bounds
from experiments.studies.finite_width_figures import figures
from experiments.studies.reading import (
    NOTHING,
    Spread,
    decided,
    listed,
    over,
    spreads,
    variance_interval,
    variance_ratio,
)

#: measured over exact variance, pooled over all shapes
VARIANCE_OFF = 0.2
#: offset of the mean in units of the exact standard deviation, pooled over all shapes
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
        "In ReLU networks with He's initialisation the log of a squared norm's gain follows an exact "
        "law, layer by layer: over depth and width its variance is about β = 5 Σ 1/n. Doubling the "
        "width halves it; the gradient follows the signal's law."
    )
    refuted_by: ClassVar[str] = (
        f"A pooled variance that differs from the exact one by more than {VARIANCE_OFF:.0%}, of the "
        f"signal or of the gradient; a mean of the signal's that is off by more than {MEAN_OFF:g} "
        f"standard deviations; variances at two widths whose ratio is off by a factor {RATIO_OFF:g}."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        found = [s for s in spreads(rows, ledger) if len(s.gradient)]
        if not found:
            missing = "No cell with two hidden layers has a ledger, so no gain was measured."
            return Findings((Verdict(missing, "undecided"),))
        verdicts = [_law(found), *_widths(found), *_consequence(found), *_rates(found)]
        return Findings(tuple(verdicts), (_table(found),), figures(found, rows, ledger))


# -- verdicts --------------------------------------------------------------------------------------


def _exact(found: Sequence[Spread]) -> list[Spread]:
    return [s for s in found if s.law is not None and s.law.exact]


def standardised(found: Sequence[Spread], gradient: bool) -> Float64[ndarray, " networks"]:
    """Log gains of all networks whose law is exact, in units of that law."""
    parts = [
        ((s.gradient if gradient else s.signal) - s.law.mean) / s.law.variance**0.5
        for s in _exact(found)
        if s.law is not None
    ]
    return np.concatenate([*parts, np.empty(0)])


def _law(found: Sequence[Spread]) -> Verdict:
    """Pooled over shapes: variance of signal and gradient, mean of the signal, against the law."""
    signal, gradient = (standardised(found, which) for which in (False, True))
    if not len(signal):
        return Verdict(
            "No ReLU network with normal weights, no biases and one example each "
            "(trainer.batch_size=1) is here, so the exact law cannot be judged.",
            "undecided",
        )
    spread = [variance_interval(part) for part in (signal, gradient)]
    offset = mean_interval(signal)
    dead = int((~np.isfinite(gradient)).sum())
    sentence = (
        f"Over {len(signal)} ReLU networks the variance of the log gain is {spread[0]} times "
        f"the exact law's for the signal and {spread[1]} times for the gradient; the "
        f"signal's mean is off by {offset} standard deviations, the gradient's by "
        f"{mean_interval(gradient)}"
    )
    if dead:
        sentence += f"; {dead} networks had died and are left out"
    known = [ratio.within(1 - VARIANCE_OFF, 1 + VARIANCE_OFF) for ratio in spread]
    return Verdict(sentence + ".", decided(*known, offset.within(-MEAN_OFF, MEAN_OFF)))


def _widths(found: Sequence[Spread]) -> list[Verdict]:
    """At the greatest depth: the ratio of the gradient's variances at adjacent widths."""
    exact = _exact(found)
    if not exact:
        return []
    deepest = max(s.depth for s in exact)
    mine = sorted((s for s in exact if s.depth == deepest), key=lambda s: s.width)
    parts, known = [], []
    for narrow, wide in pairwise(mine):
        if narrow.label != wide.label or narrow.law is None or wide.law is None:
            continue
        ratio = variance_ratio(narrow.gradient, wide.gradient)
        expected = narrow.law.variance / wide.law.variance
        parts.append(f"{narrow.width} to {wide.width} by {ratio} (exact {expected:.3g})")
        known.append(ratio.map(lambda r, e=expected: r / e).within(1 / RATIO_OFF, RATIO_OFF))  # type: ignore[misc]
    if not parts:
        return [Verdict("One width only: what width does is not known.", "undecided")]
    sentence = f"At depth {deepest} a wider ReLU network divides the variance: {listed(parts)}."
    return [Verdict(sentence, decided(*known))]


def _consequence(found: Sequence[Spread]) -> list[Verdict]:
    """What the spread means: by which factor the middle nine in ten gradients differ."""
    known = [s for s in found if np.isfinite(s.gradient).sum() >= 5]
    if not known:
        return []
    label = (_exact(known) or known)[0].label
    order = sorted((s for s in known if s.label == label), key=lambda s: -s.thinness)
    parts = []
    for s in (order[0], order[-1])[: len(order)]:
        finite = s.gradient[np.isfinite(s.gradient)]
        factor = float(np.exp(np.subtract(*np.quantile(finite, [0.95, 0.05])) / 2))
        parts.append(f"a factor {factor:.3g} at width {s.width} and depth {s.depth}")
    sentence = (
        f"{label}: the middle 90 % of seeds' gradient norms, first hidden layer over last, span "
        f"{listed(parts)}."
    )
    return [Verdict(sentence, "measured")]


def _rates(found: Sequence[Spread]) -> list[Verdict]:
    """The rate of other activations: width times variance a layer, against the leading order."""
    parts = []
    for label in dict.fromkeys(s.label for s in found):
        mine = [s for s in found if s.label == label]
        if any(s.law is None or s.law.exact for s in mine):
            continue
        units = np.concatenate([
            (s.gradient - np.mean(s.gradient[np.isfinite(s.gradient)])) / s.thinness**0.5 for s in mine
        ])  # fmt: skip
        expected = np.mean([s.law.variance / s.thinness for s in mine if s.law is not None])
        parts.append(f"{label} {variance_interval(units)} (leading order {expected:.3g})")
    if not parts:
        return []
    return [Verdict(f"Variance of the log gain per Σ 1/n elsewhere: {listed(parts)}.", "measured")]


# -- table -----------------------------------------------------------------------------------------


def _table(found: Sequence[Spread]) -> Table:
    rows = []
    for s in found:
        steps = s.steps
        mean, variance = mean_interval(s.gradient), variance_interval(s.gradient)
        mean, variance = (x.map(lambda v, k=steps: v / k) for x in (mean, variance))  # type: ignore[misc]
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
        "the last, divided by the number of steps. Σ 1/n counts the steps. Intervals: bootstrap for means, "
        "chi-squared for variances. Leading order: mean field's, exact as n grows."
    )
    return Table("Mean and variance of the log gain", caption, DataFrame(rows))
