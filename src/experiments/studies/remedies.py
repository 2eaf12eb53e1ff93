"""A network of fifty layers that does not train: which change makes it train?

The baseline is a sigmoid network with Glorot's start. Every remedy is judged as before and after: the same
depth, width, seeds and steps, each variant at the best of the learning rates tried. Where that is the
lowest or the highest of them, another might suit it better: the verdicts count these. First the changes
alone, then together.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.configurations import text
from experiments.reporting.intervals import mean_interval
from experiments.reporting.powers import power, power_interval
from experiments.reporting.summary import bounds
from experiments.studies.reading.family import MARGIN, PAIR
from experiments.studies.reading.remedy import NORMALIZE, SKIP, Variant, baseline_of, variants_of
from experiments.studies.reading.verdicts import NOTHING, decided, listed, over, unanswered
from experiments.studies.remedies_figures import figures

#: the network that does not train
BASELINE = dict(zip(PAIR, ("sigmoid", "glorot"), strict=True))
#: what the table says of a variant
ANSWERS = {True: "yes", None: "undecided", False: "no"}


@final
class Remedies(Study):
    """Activation x initialiser x skip x normalisation x learning rate x seed, at one depth."""

    question: ClassVar[str] = "Which change makes a deep network train that does not?"
    claim: ClassVar[str] = (
        "A deep sigmoid network with Glorot's start does not train, and no other initialiser helps. "
        "Identity skips do, on their own; so does tanh or ELU with a start at criticality. Whatever "
        "trains has first brought the gradient at the first layer within a few powers of ten of the "
        "output's."
    )
    refuted_by: ClassVar[str] = (
        "A plain sigmoid network that learns with any of the initialisers; the same network with skips "
        "alone, or a plain tanh or ELU network at criticality, that does not; a variant that learns "
        "though its gradient differs from the output's by more than four powers of ten. A network "
        f"learns if its test accuracy's interval lies above chance + {MARGIN:g}, does not if below; "
        "between the two it is undecided. All at one depth, width and number of steps, and at the rates "
        "tried."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        variants = variants_of(rows, ledger)
        baseline = baseline_of(variants, BASELINE)
        if baseline is None:
            return unanswered(
                "No plain network is here, so there is nothing to compare a remedy with."
            )
        single = [
            v for v in variants if len(v.changes(baseline)) == 1 and v.label == baseline.label
        ]
        single.sort(
            key=lambda v: [part == baseline.setting[key] for key, part in v.setting.items()]
        )
        once = distinct(variants)
        verdicts = [_before(baseline), *_single(baseline, single), *_claimed(baseline, variants)]
        verdicts += [*_best(baseline, once), *_gradients(once), *_edges(once)]
        tables = (
            _table(baseline, single, "One change at a time"),
            _table(baseline, variants, "All variants"),
        )
        return Findings(tuple(verdicts), tables, figures(baseline, single, variants, folder))


def learns(variant: Variant) -> bool | None:
    """Whether the interval of its test accuracy lies above chance + MARGIN (True) or below (False)."""
    return mean_interval(variant.accuracy).within(variant.chance + MARGIN, np.inf)


def distinct(variants: Sequence[Variant]) -> list[Variant]:
    """Each network once: two initialisers can draw the same weights (for ReLU critical is He's)."""
    first: list[Variant] = []
    for variant in variants:
        if not any(_same(variant, other) for other in first):
            first.append(variant)
    return first


def _same(one: Variant, other: Variant) -> bool:
    """Same gradient in every layer of every seed, and same accuracy: the same networks."""
    if (
        one.changes(other).keys() != {"initializer"}
        or one.label != other.label
        or not one.profile.size
    ):
        return False
    # seeds stand in the order of their cells' names, so each layer's values are compared in order of size
    mine, its = (np.sort(variant.profile, axis=0) for variant in (one, other))
    if mine.shape != its.shape or not np.allclose(mine, its, rtol=0.0, atol=1e-6):
        return False
    return np.array_equal(one.accuracy, other.accuracy, equal_nan=True)


# -- verdicts --------------------------------------------------------------------------------------


def _before(baseline: Variant) -> Verdict:
    """The network that needs a remedy, and whether it does."""
    share = baseline.learnt
    sentence = f"Before: {baseline.name} reaches test accuracy {mean_interval(baseline.accuracy)}"
    if share.seeds:
        sentence += f"; {share.value * share.seeds:.0f} of {share.seeds} seeds learn"
    if baseline.gradient.seeds:
        sentence += (
            "; at the first layer its gradient begins at "
            f"{power_interval(baseline.gradient)} of the output's"
        )
    return Verdict(sentence + ".", decided(_as_expected(baseline, expected=False)))


def _as_expected(variant: Variant, expected: bool) -> bool | None:
    above = learns(variant)
    return None if above is None else above == expected


def _single(baseline: Variant, single: Sequence[Variant]) -> list[Verdict]:
    """Every change alone: which of them make it train."""
    parts: dict[bool | None, list[str]] = {True: [], None: [], False: []}
    for variant in single:
        parts[learns(variant)].append(f"{_said(variant, baseline)} ({variant.gain(baseline)})")
    helps, unsure, fails = parts.values()
    if not single:
        return [Verdict("No variant differs from it in one thing alone.", "undecided")]
    sentence = "One change alone, with the test accuracy it adds: "
    sentence += f"it trains with {listed(helps, most=9)}" if helps else "none makes it train"
    if unsure:
        sentence += f"; undecided with {listed(unsure, most=9)}"
    if fails:
        sentence += f"; it does not with {listed(fails, most=9)}"
    return [Verdict(sentence + ".", "measured")]


def _claimed(baseline: Variant, variants: Sequence[Variant]) -> list[Verdict]:
    """The claim's three parts, and what else was measured of sigmoid networks with skips."""
    same = [v for v in distinct(variants) if v.label == baseline.label]
    sigmoid = [v for v in same if v.setting["activation"] == "sigmoid" and v.plain]
    skips = [v for v in same if v.changes(baseline) == {SKIP: True}]
    other = [
        v
        for v in same
        if v.setting["activation"] == "sigmoid" and v.added == (True, False) and v not in skips
    ]
    critical = [
        v
        for name in ("tanh", "elu")
        for v in same
        if v.setting["activation"] == name and v.plain and "critical" in v.setting["initializer"]
    ]
    verdicts = []
    for what, mine, expected in (
        ("plain sigmoid networks, whatever the initialiser,", sigmoid, False),
        (f"{baseline.name} networks with identity skips", skips, True),
        ("sigmoid networks with identity skips and other initialisers", other, None),
        ("plain tanh and ELU networks at criticality", critical, True),
    ):
        if not mine:
            continue
        shares = [v.learnt for v in mine]
        good = sum(round(s.value * s.seeds) for s in shares if s.seeds)
        sentence = f"Of {sum(s.seeds for s in shares)} {what} {good} learn"
        if len(mine) > 1:
            sentence += f" ({len(mine)} variants, each with its seeds)"
        parts = [f"{v.name} {mean_interval(v.accuracy)}" for v in mine]
        sentence += f"; test accuracy: {listed(parts, most=4)}"
        known = [] if expected is None else [_as_expected(v, expected) for v in mine]
        outcome = "measured" if expected is None else decided(*known)
        verdicts.append(Verdict(sentence + ".", outcome))
    return verdicts


def _said(variant: Variant, baseline: Variant) -> str:
    """A single change in words."""
    key, value = next(iter(variant.changes(baseline).items()))
    added = {SKIP: "identity skips", NORMALIZE: "normalisation"}
    return added.get(key, f"{text(value)}{'' if key == 'activation' else ' initialisation'}")


def _best(baseline: Variant, variants: Sequence[Variant]) -> list[Verdict]:
    """The best variant of all, and the best plain one."""
    known = [v for v in variants if np.isfinite(v.accuracy).all() and len(v.accuracy)]
    if not known:
        return []
    best = max(known, key=lambda v: float(v.accuracy.mean()))
    sentence = f"After: the best of {len(variants)} variants is {best.name}, {mean_interval(best.accuracy)}"
    plain = [v for v in known if v.plain]
    if plain:
        top = max(plain, key=lambda v: float(v.accuracy.mean()))
        if top is not best:
            sentence += f"; the best plain one is {top.name}, {mean_interval(top.accuracy)}"
    if best is not baseline:
        sentence += f"; over {baseline.name} the first gains {best.gain(baseline)}"
    return [Verdict(sentence + ".", "measured")]


def _gradients(variants: Sequence[Variant]) -> list[Verdict]:
    """How far from the output's the first layer's gradient may begin and the network still learns."""
    seen = [v for v in variants if v.gradient.seeds]
    by = {kind: [v.gradient.value for v in seen if learns(v) is kind] for kind in (True, False)}
    if not by[True]:
        return []
    low, high = min(by[True]), max(by[True])
    learn = "1 variant learns" if len(by[True]) == 1 else f"{len(by[True])} variants learn"
    sentence = (
        f"{learn}; at initialisation the first layer's gradient is between {power(low)} and "
        f"{power(high)} of the output's in all of them"
    )
    if by[False]:
        inside = sum(low <= x <= high for x in by[False])
        sentence += f". Of the {len(by[False])} that do not, {inside} lie in this range too"
    unsure = len(seen) - len(by[True]) - len(by[False])
    if unsure:
        sentence += f"; {unsure} more {'are' if unsure > 1 else 'is'} undecided"
    # one network does not show what all that train have in common
    holds = max(abs(low), abs(high)) <= 4.0
    outcome = decided(holds if len(by[True]) > 1 or not holds else None)
    return [Verdict(sentence + ".", outcome)]


def _edges(variants: Sequence[Variant]) -> list[Verdict]:
    """How many best rates are the lowest or highest tried: these variants may be capable of more."""
    at = {side: [v for v in variants if v.runs.edge == side] for side in ("lowest", "highest")}
    if not any(at.values()):
        return []
    parts = []
    for side, mine in at.items():
        if mine:
            good = sum(learns(v) is True for v in mine)
            lost = sum(v.diverged for v in mine)
            part = f"the {side} for {len(mine)}, of which {good} learn"
            parts.append(part + (f" and {lost} diverge at every rate tried" if lost else ""))
    sentence = (
        f"The best learning rate lies at an edge of the grid for {sum(map(len, at.values()))} of "
        f"{len(variants)} variants: {'; '.join(parts)}. A rate beyond the grid may suit them better: that "
        "one of them does not learn is known of the rates tried alone"
    )
    return [Verdict(sentence + ".", "measured")]


# -- table -----------------------------------------------------------------------------------------


def _table(baseline: Variant, variants: Sequence[Variant], title: str) -> Table:
    rows = []
    for v in [baseline, *(v for v in variants if v is not baseline)]:
        accuracy, gain = mean_interval(v.accuracy), v.gain(baseline)
        rows.append({
            "variant": v.name, "learns": ANSWERS[learns(v)],
            "seeds": f"{v.learnt.value * v.learnt.seeds:.0f} of {v.learnt.seeds}"
            if v.learnt.seeds else "unknown",
            "test accuracy": accuracy.value, "95 %": bounds(accuracy),
            "gain": gain.value, "95 % ": bounds(gain),
            "‖δ‖": power(v.gradient.value) if v.gradient.seeds else "not recorded",
            "rate": v.runs.written_rate, "edge": v.runs.edge or "–",
        })  # fmt: skip
    caption = (
        f"First the network before any change, {baseline.name}; each at the learning rate with the least "
        f"validation loss of those tried. Learns: the interval of the test accuracy lies above chance + "
        f"{MARGIN:g}; seeds: those that end above it. Gain: test accuracy less that before, paired by "
        "seed; a diverged seed counts as chance. ‖δ‖: the gradient's norm at the first "
        "layer with weights over that at the output, before training. Edge: the rate is the lowest or "
        "highest that was tried."
    )
    once = distinct(variants)
    twins = [v.name for v in variants if all(v is not other for other in once)]
    if twins:
        caption += f" Another row's networks under another name, counted once: {listed(twins)}."
    return Table(title, caption, DataFrame(rows))
