"""How fast does a gradient grow above criticality, where do floats overflow, what is left of training?

Above the critical scale chi > 1: every layer multiplies the norm of the gradient by sqrt(chi). Measured at
initialisation, from the scaled recursion, which knows a norm that no float can hold; compared with mean
field, layer for layer. Then the same networks are trained: which runs end in numbers that are not finite,
and which learn at any of the learning rates that were tried.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame, concat

from experiments.core.interval import Interval
from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.configurations import text
from experiments.reporting.intervals import share_interval
from experiments.reporting.powers import power
from experiments.reporting.summary import bounds
from experiments.studies.exploding_figures import figures
from experiments.studies.exploding_growth import LARGEST, Explosion, explosions_of, independent
from experiments.studies.reading.family import MARGIN
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.verdicts import NOTHING, counted, decided, listed, over

#: what the seeds scatter: over L = 160 layers of width n = 64 the fitted log factor of a ReLU network has a
#: standard deviation of about sqrt(5 / n / L) / 2 = 0.011, half of that as a mean of five seeds
TOLERANCE = 0.01


@final
class ExplodingGradient(Study):
    """Activation x sigma_w x depth x learning rate x seed."""

    question: ClassVar[str] = (
        "How fast does a gradient grow above criticality, where do floats overflow, and what does "
        "training make of it?"
    )
    claim: ClassVar[str] = (
        "Where χ > 1 every layer multiplies the gradient's norm by a factor between mean field's √χ and "
        "√χ exp(−V/4), which one example keeps at finite width, V = (3 E σ′⁴ / (E σ′²)² − 1) / n. Mean "
        "field alone is exact to the interval of the seeds, and foretells the depth at which float32 "
        "overflows. Networks whose gradient has left float32 do not learn at any learning rate."
    )
    refuted_by: ClassVar[str] = (
        f"A fitted factor whose interval lies more than {100 * TOLERANCE:g} % outside those two; an "
        "interval of measured over mean field's factor without 1; more than half the seeds overflowing "
        "where mean field says they do not, or the reverse; a network that learns though its gradient "
        "overflows."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        if not len(over(results)):
            return NOTHING
        explosions = explosions_of(results, ledger)
        verdicts = [
            _growth(explosions), *_mean_field(explosions), _overflow(explosions), *_training(explosions),
            *_divergence(explosions),
        ]  # fmt: skip
        return Findings(tuple(verdicts), (_table(explosions),), figures(explosions))


# -- verdicts --------------------------------------------------------------------------------------


def _growth(explosions: Sequence[Explosion]) -> Verdict:
    """Whether the fitted factor a layer lies between that of one example and that of mean field."""
    groups = independent([e for e in explosions if e.explodes])
    if not groups:
        return Verdict("No combination here has χ > 1, so nothing explodes.", "undecided")
    judged = [group[-1] for group in groups]  # of one experiment the steepest
    inside = [
        e.factor.within((1 - TOLERANCE) * e.lower, (1 + TOLERANCE) * e.upper)
        if np.isfinite(e.lower) else None
        for e in judged
    ]  # fmt: skip
    steepest = max(judged, key=lambda e: np.nan_to_num(e.factor.value))
    sentence = (
        f"The factor a layer lies between √χ exp(−V/4) and √χ, to {100 * TOLERANCE:g} %, for "
        f"{inside.count(True)} of {len(groups)} independent exploding combinations; the steepest is "
        f"{steepest.label} with {steepest.factor} (between {_known(steepest.lower)} and "
        f"{_known(steepest.upper)})"
    )
    off = [f"{e.label} ({e.factor})" for e, k in zip(judged, inside, strict=True) if k is False]
    if off:
        sentence += f"; outside: {listed(off, most=4)}"
    return Verdict(f"{sentence}. {_shared(groups)}".strip(), decided(*inside))


def _shared(groups: Sequence[Sequence[Explosion]]) -> str:
    """Which combinations are one experiment, and why."""
    same = [f"{len(g)} scales of {text(g[0].activation)}" for g in groups if len(g) > 1]
    if not same:
        return ""
    return (
        f"The {listed(same)} count as one: σ(cz) = c σ(z), no biases, the same seeds, so another scale "
        "multiplies every gradient by a known power and says nothing new."
    )


def _mean_field(explosions: Sequence[Explosion]) -> list[Verdict]:
    """Whether mean field alone is exact here: the measured factor over its factor a layer."""
    groups = independent([e for e in explosions if e.explodes and np.isfinite(e.upper)])
    if not groups:
        return []
    judged = [group[-1] for group in groups]
    same = [
        e.over_mean_field.low <= 1 <= e.over_mean_field.high if e.over_mean_field.decides else None
        for e in judged
    ]
    off = [
        f"{e.experiment} {e.over_mean_field} ({e.short_of_mean_field:.2g} decades at depth "
        f"{e.family.depths[-1]})"
        for e, k in zip(judged, same, strict=True)
        if k is False
    ]
    sentence = "Measured over mean field's factor a layer"
    if not off:
        known = same.count(True)
        return [Verdict(f"{sentence}: {known} of {len(same)} intervals hold 1.", decided(*same))]
    sentence += (
        f" (the dashed line) excludes 1 for {len(off)} of {len(same)} independent "
        f"combinations: {listed(off)}. In brackets: how far the points lie below the line. The rest is "
        "finite width: depth is not small against width here, the logarithm of a norm drifts below that "
        "of its mean square by up to V/4 a layer, and ReLU, whose examples become parallel, loses all "
        "of it."
    )
    return [Verdict(sentence, decided(*same))]


def _overflow(explosions: Sequence[Explosion]) -> Verdict:
    """The depth at which most seeds leave float32 at initialisation, against mean field's."""
    limit = LARGEST["float32"]
    wrong, right, unsure = [], [], []
    for e in explosions:
        predicted = e.predicted_overflow(limit, e.upper)
        if e.bracket is None or np.isnan(predicted):
            continue
        low, high = e.bracket
        against = [depth for depth in e.family.depths if _contradicts(e, depth, predicted)]
        beside = f"{e.label} ({_around(e.bracket)}, predicted {predicted:.3g})"
        if against:
            one = e.predicted_overflow(limit, e.lower)
            lost, seeds = e.lost(against[-1])
            wrong.append(
                f"{e.label} overflows {_around(e.bracket)} (at {against[-1]} in {lost} of {seeds} seeds), "
                f"mean field says {predicted:.3g}; with the V/4 of one example it would be {one:.3g}"
            )
        elif predicted < low or (high is not None and predicted > high):
            unsure.append(beside)
        elif high is not None:
            right.append(beside)
    counts = [e.lost(depth) for e in explosions for depth in e.family.depths]
    lost, count = (sum(numbers) for numbers in zip(*counts, strict=True)) if counts else (0, 0)
    if not right and not wrong and not unsure:
        return Verdict(
            f"None of {count} first-layer gradients overflows float32 here, or none has a prediction.",
            "undecided",
        )
    sentence = (
        f"Of {count} first-layer gradients at initialisation float32 cannot hold {lost}, though their "
        "true size is known"
    )
    if right:
        sentence += f"; most seeds overflow where mean field says: {listed(right)}"
    if wrong:
        sentence += f"; not so: {listed(wrong, most=4)}"
    if unsure:
        sentence += f"; too few seeds to tell: {listed(unsure, most=4)}"
    outcome = decided(*[True] * len(right), *[False] * len(wrong), *[None] * len(unsure))
    return Verdict(sentence + ".", outcome)


def _contradicts(e: Explosion, depth: int, predicted: float) -> bool:
    """Whether the share of seeds that overflow is clearly above one half where it should not be, or below."""
    expected = (0.5, 1.0) if depth > predicted else (0.0, 0.5)
    return share_interval(*e.lost(depth)).within(*expected) is False


def _around(bracket: tuple[int, int | None]) -> str:
    low, high = bracket
    return f"beyond {low}" if high is None else f"between {low} and {high}"


def _training(explosions: Sequence[Explosion]) -> list[Verdict]:
    """How much growth training survives, and that an overflow ends it."""
    survived: list[tuple[float, str]] = []
    lost: list[tuple[float, str]] = []
    broken: list[bool | None] = []
    for e in explosions:
        for depth in e.family.depths:
            share = e.learns(depth)
            growth = e.family.at(depth, "first") - e.family.at(depth, "output")
            growth = growth[np.isfinite(growth)]
            if not share.seeds or not len(growth) or not e.explodes:
                continue
            size = float(growth.mean())
            (survived if share.value >= 0.5 else lost).append((size, f"{e.label}, depth {depth}"))
            if float(np.mean(e.family.at(depth, "first"))) > LARGEST["float32"]:
                broken.append(share.within(0.0, 0.5))
    if not survived and not lost:
        return []
    parts = []
    if survived:
        size, place = max(survived)
        parts.append(f"the greatest growth that half the seeds survive is {power(size)} ({place})")
    if lost:
        size, place = min(lost)
        parts.append(f"the smallest that they do not is {power(size)} ({place})")
    sentence = (
        "Growth of the gradient from the output to the first layer, and learning at the best learning "
        f"rate tried: {'; '.join(parts)}"
    )
    verdicts = [Verdict(sentence + ".", "measured")]
    if broken:
        pairs = counted(len(broken), "pair")
        sentence = (
            f"Where the gradient has left float32 ({pairs} of networks and depth) {broken.count(True)} of "
            f"{len(broken)} have an interval that excludes learning by half the seeds."
        )
        verdicts.append(Verdict(sentence, decided(*broken)))
    return verdicts


def _divergence(explosions: Sequence[Explosion]) -> list[Verdict]:
    """How many runs diverged, by activation: a bounded one keeps the loss finite."""
    parts = []
    for name, mine in grouped(explosions, lambda e: text(e.activation)).items():
        endings = concat(e.trained["status"] for e in mine)
        parts.append(f"{name} {(endings == 'diverged').sum()} of {len(endings)}")
    return [
        Verdict(f"Runs that ended in numbers that are not finite: {listed(parts)}.", "measured")
    ]


# -- table -----------------------------------------------------------------------------------------


def _known(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "unknown"


def _table(explosions: Sequence[Explosion]) -> Table:
    rows = []
    for e in explosions:
        f = e.family
        deepest = [d for d in f.depths if e.learns(d).value >= 0.5]
        limit = LARGEST["float32"]
        lost = np.nanmean([e.diverges(d) for d in f.depths])
        rows.append({
            "networks": e.label, "factor a layer": e.factor.value, "95 %": bounds(e.factor),
            "√χ exp(−V/4)": _known(e.lower), "√χ": _known(e.upper),
            "float32 predicted": _depth(e.predicted_overflow(limit, e.upper)),
            "float32 measured": "not measured" if e.bracket is None else _around(e.bracket),
            **{f"fit passes {name}": _depths(e.overflows_at(log10)) for name, log10 in LARGEST.items()},
            "learns to depth": max(deepest, default=0), "not finite": f"{100 * lost:.0f} %",
        })  # fmt: skip
    deepest_of_all = max((e.family.depths[-1] for e in explosions), default=0)
    caption = (
        "Factor a layer: of the first layer's gradient norm over the output's, fitted over all depths at "
        "initialisation. Float32 predicted: the depth at which mean field, √χ a layer, passes its largest "
        "number; measured: between the last depth that most seeds survive and the next. Fit passes: the "
        "depth at which the fitted line passes the largest number of a format, with the interval that "
        f"follows from the factor's; beyond depth {deepest_of_all} it is extrapolated. Learns to depth: "
        f"the greatest at which at least half the seeds reach chance + {MARGIN:g} at the best learning "
        "rate tried. Not finite: share of runs."
    )
    return Table("Growth, overflow and training", caption, DataFrame(rows))


def _depth(value: float) -> str:
    """An extrapolated depth: whole layers, and above a thousand two digits.

    >>> _depth(16841.0), _depth(116.7), _depth(float("inf"))
    ('17,000', '117', 'never')
    """
    if np.isnan(value):
        return "unknown"
    if np.isinf(value):
        return "never"
    return f"{value:.0f}" if value < 1000 else f"{float(f'{value:.2g}'):,.0f}"


def _depths(at: Interval) -> str:
    if not at.known:
        return _depth(at.value)
    return f"{_depth(at.value)} [{_depth(at.low)}, {_depth(at.high)}]"
