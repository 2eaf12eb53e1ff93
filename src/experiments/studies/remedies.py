"""A network of fifty layers that does not train: which change makes it train?

The baseline is a sigmoid network with Glorot's start. Every remedy is judged as before and after: the same
depth, width, seeds and steps, each variant at the learning rate that suits it best, so that no side is
handicapped. First the changes alone, then together.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.interval import DECIDING
from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.configurations import text
from experiments.reporting.intervals import mean_interval
from experiments.reporting.powers import power, power_interval
from experiments.reporting.summary import bounds
from experiments.studies.reading import (
    MARGIN,
    NOTHING,
    PAIR,
    Variant,
    baseline_of,
    decided,
    listed,
    over,
    variants,
)
from experiments.studies.remedies_figures import figures

#: the network that does not train
BASELINE = dict(zip(PAIR, ("sigmoid", "glorot"), strict=True))


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
        f"learns if its test accuracy's interval lies above chance + {MARGIN:g}, does not if below."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        found = variants(rows, ledger)
        baseline = baseline_of(found, BASELINE)
        if baseline is None:
            missing = "No plain network is here, so there is nothing to compare a remedy with."
            return Findings((Verdict(missing, "undecided"),))
        single = [v for v in found if len(v.changes(baseline)) == 1 and v.label == baseline.label]
        single.sort(
            key=lambda v: [part == baseline.setting[key] for key, part in v.setting.items()]
        )
        verdicts = [_before(baseline), *_single(baseline, single), *_claimed(baseline, found)]
        verdicts += [*_best(baseline, found), *_gradients(found)]
        tables = (
            _table(baseline, single, "One change at a time"),
            _table(baseline, found, "All variants"),
        )
        return Findings(tuple(verdicts), tables, figures(baseline, single, found, folder))


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
    return Verdict(sentence + ".", decided(_as_expected(baseline, learns=False)))


def _as_expected(variant: Variant, learns: bool) -> bool | None:
    """Whether the interval of its test accuracy lies on the expected side of chance + MARGIN."""
    above = mean_interval(variant.accuracy).within(variant.chance + MARGIN, np.inf)
    return None if above is None else above == learns


def _single(baseline: Variant, single: Sequence[Variant]) -> list[Verdict]:
    """Every change alone: which of them make it train."""
    helps: list[str] = []
    fails: list[str] = []
    for variant in single:
        part = f"{_said(variant, baseline)} ({variant.gain(baseline)})"
        learns = variant.learnt.seeds and variant.learnt.value >= 0.5
        (helps if learns else fails).append(part)
    if not single:
        return [Verdict("No variant differs from it in one thing alone.", "undecided")]
    sentence = "One change alone, with the test accuracy it adds: "
    sentence += f"it trains with {listed(helps, most=9)}" if helps else "none makes it train"
    if fails:
        sentence += f"; it does not with {listed(fails, most=9)}"
    return [Verdict(sentence + ".", "measured")]


def _claimed(baseline: Variant, found: Sequence[Variant]) -> list[Verdict]:
    """The claim's three parts, each on the variants it speaks of."""
    same = [v for v in found if v.label == baseline.label]
    sigmoid = [v for v in same if _is(v, "sigmoid", skip=False, normalize=False)]
    skips = [v for v in same if v.changes(baseline) == ["skip"]]
    other = [v for v in same if _is(v, "sigmoid", skip=True, normalize=False) and v not in skips]
    critical = [
        v
        for name in ("tanh", "elu")
        for v in same
        if _is(v, name, skip=False, normalize=False) and "critical" in v.setting["initializer"]
    ]
    verdicts = []
    for what, mine, learns in (
        ("of plain sigmoid networks, whatever the initialiser,", sigmoid, False),
        (f"of {baseline.name} with identity skips", skips, True),
        ("of sigmoid networks with identity skips and other initialisers", other, None),
        ("of plain tanh and ELU networks at criticality", critical, True),
    ):
        if not mine:
            continue
        shares = [v.learnt for v in mine]
        good = sum(round(s.value * s.seeds) for s in shares if s.seeds)
        sentence = f"Of {sum(s.seeds for s in shares)} seeds {what} {good} learn"
        parts = [f"{v.name} {mean_interval(v.accuracy)}" for v in mine]
        sentence += f"; test accuracy: {listed(parts, most=4)}"
        known = [] if learns is None else [_as_expected(v, learns) for v in mine]
        outcome = "measured" if learns is None else decided(*known)
        verdicts.append(Verdict(sentence + ".", outcome))
    return verdicts


def _said(variant: Variant, baseline: Variant) -> str:
    """A single change in words."""
    key, _, value = variant.changes(baseline)[0].partition("=")
    words = {"skip": "identity skips", "normalize": "normalisation"}
    return words.get(key, f"{text(value)}{'' if key == 'activation' else ' initialisation'}")


def _is(variant: Variant, activation: str, skip: bool, normalize: bool) -> bool:
    flags = bool(variant.setting["model.skip"]), bool(variant.setting["model.normalize"])
    return bool(variant.setting["activation"] == activation and flags == (skip, normalize))


def _best(baseline: Variant, found: Sequence[Variant]) -> list[Verdict]:
    """The best variant of all, and the best plain one."""
    known = [v for v in found if np.isfinite(v.accuracy).all() and len(v.accuracy)]
    if not known:
        return []
    best = max(known, key=lambda v: float(v.accuracy.mean()))
    sentence = (
        f"After: the best of {len(found)} variants is {best.name}, {mean_interval(best.accuracy)}"
    )
    plain = [v for v in known if not (v.setting["model.skip"] or v.setting["model.normalize"])]
    if plain:
        top = max(plain, key=lambda v: float(v.accuracy.mean()))
        if top is not best:
            sentence += f"; the best plain one is {top.name}, {mean_interval(top.accuracy)}"
    if best is not baseline:
        sentence += f"; over {baseline.name} the first gains {best.gain(baseline)}"
    return [Verdict(sentence + ".", "measured")]


def _gradients(found: Sequence[Variant]) -> list[Verdict]:
    """How far from the output's the first layer's gradient may begin and the network still learns."""
    seen = [v for v in found if v.gradient.seeds and v.learnt.seeds]
    learns = [v.gradient.value for v in seen if v.learnt.value >= 0.5]
    if not learns:
        return []
    others = [v.gradient.value for v in seen if v.learnt.value < 0.5]
    learn = "1 variant learns" if len(learns) == 1 else f"{len(learns)} variants learn"
    sentence = (
        f"{learn}; at initialisation the first layer's gradient is between "
        f"{power(min(learns))} and {power(max(learns))} of the output's in all of them"
    )
    if others:
        inside = sum(min(learns) <= x <= max(learns) for x in others)
        sentence += f". Of the {len(others)} that do not, {inside} lie in this range too"
    # A rule for all that train is not shown by one network, nor by one draw of several.
    enough = [v.learnt.seeds >= DECIDING for v in seen if v.learnt.value >= 0.5]
    holds = max(abs(x) for x in learns) <= 4.0
    shown = all(enough) and (len(learns) > 1 or not holds)
    outcome = decided(holds if shown else None)
    return [Verdict(sentence + ".", outcome)]


# -- table -----------------------------------------------------------------------------------------


def _table(baseline: Variant, found: Sequence[Variant], title: str) -> Table:
    rows = []
    for v in [baseline, *(v for v in found if v is not baseline)]:
        accuracy, gain = mean_interval(v.accuracy), v.gain(baseline)
        rows.append({
            "variant": v.name, "learn": f"{v.learnt.value * v.learnt.seeds:.0f} of {v.learnt.seeds}"
            if v.learnt.seeds else "unknown",
            "test accuracy": accuracy.value, "95 %": bounds(accuracy),
            "gain": gain.value, "95 % ": bounds(gain),
            "‖δ‖": power(v.gradient.value) if v.gradient.seeds else "not recorded",
            "rate": "–" if v.runs.rate != v.runs.rate else f"{v.runs.rate:g}",
            "edge": v.runs.edge or "–",
        })  # fmt: skip
    caption = (
        f"First the network before any change, {baseline.name}; each at the learning rate with the least "
        f"validation loss. Learn: seeds that end above chance + {MARGIN:g}. Gain: test accuracy less that "
        "before, paired by seed; a diverged seed counts as chance. ‖δ‖: the gradient's norm at the first "
        "layer with weights over that at the output, before training. Edge: the rate is the lowest or "
        "highest that was tried."
    )
    return Table(title, caption, DataFrame(rows))
