"""How fast does a gradient grow above criticality, where do floats overflow, what is left of training?

Above the critical scale chi > 1: every layer multiplies the norm of the gradient by sqrt(chi). Measured at
initialisation, from the scaled recursion, which knows a norm that no float can hold; compared with mean
field, layer for layer. Then the same networks are trained: which runs end in numbers that are not finite,
and which learn at any of the learning rates that were tried.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.intervals import share_interval
from experiments.reporting.powers import power
from experiments.reporting.summary import bounds
from experiments.studies.exploding_figures import figures
from experiments.studies.reading import (
    DEPTH,
    MARGIN,
    NOTHING,
    PAIR,
    Family,
    decided,
    families,
    listed,
    over,
)

LR = "optimizer.lr"
#: measured and predicted factor agree when their ratio is this close to 1
TOLERANCE = 0.1
#: log10 of the largest numbers of three formats
LARGEST = {"float16": math.log10(65504.0), "float32": 38.531839, "float64": 308.254716}
#: a factor a layer above this explodes
EXPLODES = 1.01


@dataclass(frozen=True)
class Explosion:
    """A family at one learning rate for its gradients, and its rows at all rates for its training."""

    family: Family
    trained: DataFrame

    @property
    def label(self) -> str:
        return self.family.label

    @cached_property
    def explodes(self) -> bool:
        """Whether the gradient grows towards the input, by theory or, failing that, as measured."""
        predicted = self.family.gain_predicted
        return (predicted if np.isfinite(predicted) else self.family.gain.value) > EXPLODES

    def overflows_at(self, largest: float) -> float:
        """The depth at which the fitted first-layer gradient passes a number known by its log10."""
        x = np.array(self.family.depths, np.float64)
        y = np.array([np.mean(seeds[np.isfinite(seeds)]) if np.isfinite(seeds).any() else np.nan
                      for seeds in self.family.by_depth("first")])  # fmt: skip
        known = np.isfinite(y)
        if known.sum() < 2:
            return math.nan
        rise, start = np.polyfit(x[known], y[known], 1)
        return float((largest - start) / rise) if rise > 1e-3 else math.inf

    def learns(self, depth: int) -> Interval:
        """Share of seeds that learn at the best of the learning rates."""
        chance = self.family.chance
        rows = self.trained[self.trained[DEPTH] == depth]
        if not chance > 0 or "val/accuracy" not in rows or not len(rows):
            return share_interval(0, 0)
        good = (rows["val/accuracy"] > chance + MARGIN) & (rows["status"] == "finished")
        rates = rows[LR] if LR in rows else rows["seed"] * 0
        best = good.groupby(rates).agg(["sum", "size"]).sort_values("sum").iloc[-1]
        return share_interval(int(best["sum"]), int(best["size"]))

    def diverges(self, depth: int) -> float:
        """Share of runs, over all learning rates, that ended in numbers that are not finite."""
        rows = self.trained[self.trained[DEPTH] == depth]
        return float((rows["status"] == "diverged").mean()) if len(rows) else math.nan


def explosions(results: DataFrame, ledger: DataFrame) -> list[Explosion]:
    """One for every combination of axes other than depth, seed and learning rate."""
    rows = over(results)
    one = rows
    if LR in rows and rows[LR].notna().any():  # the initial state does not know the learning rate
        one = rows.sort_values(LR).drop_duplicates([k for k in _setting(rows) if k != LR])
    found = []
    for family in families(one, ledger):
        first = family.rows.iloc[0]
        others = [k for k in _setting(rows) if k not in (LR, DEPTH, "seed")]
        same = np.logical_and.reduce([
            (rows[k] == first[k]) | (rows[k].isna() & (first[k] != first[k])) for k in others
        ])  # fmt: skip
        found.append(Explosion(family, rows[same]))
    return found


def _setting(rows: DataFrame) -> list[str]:
    """The columns that tell cells apart."""
    known = [*PAIR, DEPTH, "seed", LR]
    dotted = [str(k) for k in rows if "." in str(k) and rows[k].nunique(dropna=False) > 1]
    return [k for k in dict.fromkeys([*known, *dotted]) if k in rows]


@final
class ExplodingGradient(Study):
    """Activation x sigma_w x depth x learning rate x seed."""

    question: ClassVar[str] = (
        "How fast does a gradient grow above criticality, where do floats overflow, and what does "
        "training make of it?"
    )
    claim: ClassVar[str] = (
        "Where χ > 1 every layer multiplies the gradient's norm by √χ, so it grows exponentially with "
        "depth and leaves float32 at the depth that mean field predicts. Networks whose gradient has "
        "left float32 do not learn at any learning rate."
    )
    refuted_by: ClassVar[str] = (
        f"A fitted factor whose interval is more than {TOLERANCE:.0%} off the predicted one; a gradient "
        "that overflows where mean field says it does not, or the reverse; a network that learns "
        "though its gradient overflows."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        if not len(over(results)):
            return NOTHING
        found = explosions(results, ledger)
        verdicts = [_growth(found), _overflow(found), *_training(found), *_divergence(found)]
        return Findings(
            tuple(verdicts), (_table(found),), figures([e.family for e in found], found)
        )


# -- verdicts --------------------------------------------------------------------------------------


def _growth(found: Sequence[Explosion]) -> Verdict:
    """The fitted factor a layer against mean field's, for those that explode."""
    judged = [e for e in found if e.explodes]
    if not judged:
        return Verdict("No combination here has χ > 1, so nothing explodes.", "undecided")
    ratios = [e.family.gain_ratio for e in judged]
    known = [ratio.within(1 - TOLERANCE, 1 + TOLERANCE) for ratio in ratios]
    steepest = max(judged, key=lambda e: np.nan_to_num(e.family.gain.value))
    sentence = (
        f"The factor a layer is within {TOLERANCE:.0%} of the predicted one for {known.count(True)} of "
        f"{len(judged)} exploding combinations; the steepest is {steepest.label} with "
        f"{steepest.family.gain} (predicted {_known(steepest.family.gain_predicted)})"
    )
    off = [f"{e.label} ({r})" for e, r, k in zip(judged, ratios, known, strict=True) if k is False]
    if off:
        sentence += f"; measured over predicted is further off for {listed(off, most=4)}"
    return Verdict(sentence + ".", decided(*known))


def _overflow(found: Sequence[Explosion]) -> Verdict:
    """Which first-layer gradients float32 lost at initialisation, and which mean field says it would."""
    limit = LARGEST["float32"]
    wrong, lost, count = [], 0, 0
    for e in found:
        predicted = e.family.first_predicted
        for k, depth in enumerate(e.family.depths):
            held, true = e.family.at(depth, "first_float"), e.family.at(depth, "first")
            seen = ~np.isnan(true) | ~np.isnan(held)
            if predicted is None or not np.isfinite(predicted[k]) or not seen.any():
                continue
            gone = ~np.isfinite(held[seen])
            count, lost = count + int(seen.sum()), lost + int(gone.sum())
            if bool(gone.mean() >= 0.5) != bool(predicted[k] > limit):
                wrong.append(f"{e.label}, depth {depth}")
    if not count:
        return Verdict(
            "No first-layer gradient has a prediction, so overflow is not judged.", "undecided"
        )
    sentence = (
        f"Of {count} first-layer gradients at initialisation float32 cannot hold {lost}, though their "
        "true size is known; mean field foretells which"
    )
    if wrong:
        sentence += f", except for {listed(wrong, most=4)}"
        return Verdict(sentence + ".", "refuted")
    if not lost:
        return Verdict(
            f"None of {count} first-layer gradients overflows float32 here.", "undecided"
        )
    return Verdict(sentence + ", without exception.", "confirmed")


def _training(found: Sequence[Explosion]) -> list[Verdict]:
    """How much growth training survives, and that an overflow ends it."""
    survived: list[tuple[float, str]] = []
    lost: list[tuple[float, str]] = []
    broken: list[bool | None] = []
    for e in found:
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
        number = f"{len(broken)} combination{'s' * (len(broken) > 1)}"
        text = f"Where the gradient has left float32 ({number}) "
        failed = sum(k is True for k in broken)
        text += (
            f"{failed} of {len(broken)} have an interval that excludes learning by half the seeds."
        )
        verdicts.append(Verdict(text, decided(*broken)))
    return verdicts


def _divergence(found: Sequence[Explosion]) -> list[Verdict]:
    """How runs end: by activation, since a bounded activation stays finite."""
    parts = []
    names = [str(e.family.rows["activation"].iloc[0]) for e in found]
    for name in dict.fromkeys(names):
        rows = [e.trained for e, mine in zip(found, names, strict=True) if mine == name]
        bad = sum(int((part["status"] == "diverged").sum()) for part in rows)
        total = sum(len(part) for part in rows)
        parts.append(f"{name} {bad} of {total}")
    return [
        Verdict(f"Runs that ended in numbers that are not finite: {listed(parts)}.", "measured")
    ]


# -- table -----------------------------------------------------------------------------------------


def _known(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "unknown"


def _table(found: Sequence[Explosion]) -> Table:
    rows = []
    for e in found:
        f = e.family
        deepest = [d for d in f.depths if e.learns(d).value >= 0.5]
        rows.append({
            "networks": e.label, "factor a layer": f.gain.value, "95 %": bounds(f.gain),
            "predicted": _known(f.gain_predicted),
            "√χ": "unknown" if f.prediction is None else f"{f.prediction.limit:.4g}",
            **{f"overflows {name} at": _depth(e.overflows_at(limit)) for name, limit in LARGEST.items()},
            "learns to depth": max(deepest, default=0),
            "not finite": f"{np.nanmean([e.diverges(d) for d in f.depths]):.0%}",
        })  # fmt: skip
    caption = (
        "Factor a layer: on the first layer's gradient norm, fitted over all depths at initialisation. "
        "Predicted: the same fit through mean field's norms. Overflows: the depth at which the fit "
        "passes the largest number of the format. Learns to depth: the greatest at which at least half "
        f"the seeds reach chance + {MARGIN:g} at the best learning rate tried. Not finite: share of runs."
    )
    return Table("Growth, overflow and training", caption, DataFrame(rows))


def _depth(value: float) -> str:
    if np.isnan(value):
        return "unknown"
    return "never" if np.isinf(value) else f"{max(value, 0.0):.0f}"
