"""How deep can a network be and still train, and does the depth scale xi_c of mean field say so?

Two inputs become alike (chi < 1) or unlike (chi > 1) over xi_c layers, whatever they were; a network
much deeper than that cannot tell its examples apart before training, and its gradients vanish or explode
over a similar number of layers (the same number where chi < 1). Schoenholz et al. (2017) found training
to end near 6 xi_c. Measured here: the training accuracy over (sigma_w^2, depth), and the depth at which
it falls below one half. That depth is known to lie between two that were measured, so the verdicts judge
that bracket; a straight line between the two gives the number beside it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.configurations import configurations, text, varying_axes
from experiments.reporting.intervals import paired_difference
from experiments.reporting.summary import bounds
from experiments.studies.reading.family import DEPTH, PAIR
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.reach import TRAIN_ACCURACY, Reach
from experiments.studies.reading.start import start_of
from experiments.studies.reading.verdicts import NOTHING, decided, listed, over, unanswered
from experiments.studies.trainable_figures import figures
from experiments.theory.critical_start import TRAINABLE

#: 50 % accuracy is expected between so many xi_c
LOWEST, HIGHEST = 4.0, 9.0
#: what a run's end of training depends on beside its network
PROTOCOL = {
    "data": "data", "optimizer": "optimiser", "optimizer.lr": "rate", "optimizer.momentum": "momentum",
    "trainer.max_steps": "steps", "trainer.batch_size": "batches of", "model.width": "width",
}  # fmt: skip
#: chi this close to 1 is called critical: xi_c is then beyond any depth
NEAR = 1e-4


@final
class TrainableDepth(Study):
    """sigma_w x depth x seed."""

    question: ClassVar[str] = "How deep can a network be and still train, and can it be predicted?"
    claim: ClassVar[str] = (
        "With plain gradient descent at one small rate and for a few hundred steps, away from criticality, "
        f"training ends at a depth of about {TRAINABLE:g} ξ_c: the depth at which training accuracy falls "
        f"below 50 % lies between {LOWEST:g} and {HIGHEST:g} ξ_c. It is largest at the critical σ_w."
    )
    refuted_by: ClassVar[str] = (
        f"A bracket of that depth that lies outside [{LOWEST:g}, {HIGHEST:g}] ξ_c, or a σ_w away "
        "from criticality at which deeper networks train than at the σ_w closest to it. Known to be "
        "refuted for the sigmoid, and not confirmed with momentum (docs/depth.md); another optimiser, rate, "
        "width or number of steps is another protocol."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        if TRAIN_ACCURACY not in rows or not rows[TRAIN_ACCURACY].notna().any():
            return unanswered(
                "No cell has a training accuracy, so where training ends cannot be told."
            )
        reaches = reaches_of(rows)
        verdicts = [
            *_in_units(reaches),
            *_largest(reaches),
            *_without_scale(reaches),
            _protocol(rows),
        ]
        return Findings(tuple(verdicts), (_table(reaches),), figures(reaches))


def reaches_of(rows: DataFrame) -> list[Reach]:
    """One for every combination of the axes other than depth and seed, by activation and sigma_w."""
    others = [key for key in varying_axes(rows) if key not in (*PAIR, DEPTH)]
    reaches = [
        Reach(group.label, group.rows, start_of(group.rows.iloc[0].to_dict()))
        for group in configurations(rows, [*PAIR, *others])
    ]
    return sorted(reaches, key=lambda r: (r.activation, r.sigma_w))


def limited(reach: Reach) -> bool:
    """Whether the predicted end lies within the depths that were measured."""
    return max(reach.depths) >= TRAINABLE * reach.xi  # False for NaN and for infinity


# -- verdicts --------------------------------------------------------------------------------------


def _in_units(reaches: Sequence[Reach]) -> list[Verdict]:
    """One verdict a family: the end of training in units of xi_c, where 6 xi_c was within reach."""
    judged = [reach for reach in reaches if limited(reach)]
    if not judged:
        scale = (
            f"{TRAINABLE:g} ξ_c exceeds the depths that were measured, or is not known, throughout"
        )
        return [Verdict(f"The claim in units of ξ_c cannot be judged: {scale}.", "undecided")]
    verdicts = []
    for name, mine in grouped(judged, lambda reach: reach.family).items():
        known = [_inside(reach) for reach in mine]
        parts = [
            f"{reach.in_units.value:.2g} {bounds(reach.bracket_in_units)} at {reach.place}"
            for reach in mine
        ]
        sentence = (
            f"{name}: training ends, in units of ξ_c and with the bracket of the depths measured, at "
            f"{listed(parts, most=8)}: {known.count(True)} of {len(known)} brackets inside "
            f"[{LOWEST:g}, {HIGHEST:g}], {known.count(False)} outside"
        )
        verdicts.append(Verdict(sentence + ".", decided(*known)))
    return verdicts


def _inside(reach: Reach) -> bool | None:
    """Whether the whole bracket lies in the claimed range; beyond the depths measured it is open."""
    return reach.bracket_in_units.within(LOWEST, HIGHEST)


def _protocol(rows: DataFrame) -> Verdict:
    """The settings of training that all verdicts depend on."""
    parts = [
        f"{word} {', '.join(text(value) for value in rows[key].dropna().unique())}"
        for key, word in PROTOCOL.items()
        if key in rows and rows[key].notna().any()
    ]
    sentence = f"All of it holds for this protocol alone: {listed(parts, most=9)}"
    return Verdict(sentence + ".", "measured")


def _largest(reaches: Sequence[Reach]) -> list[Verdict]:
    """One verdict an activation: is the greatest depth reached closest to the critical sigma_w?"""
    verdicts = []
    for name, same in grouped(reaches, lambda reach: reach.activation).items():
        mine = [r for r in same if not np.isnan(r.xi)]
        away = [r for r in mine if limited(r)]
        near = max(mine, key=lambda r: r.xi, default=None)
        if near is None or limited(near):
            sentence = f"{text(name)}: no σ_w of this sweep is near criticality ({_critical(same)})"
            verdicts.append(Verdict(sentence + ".", "undecided"))
            continue
        sentence = (
            f"{text(name)}: nearest to criticality, at {near.place}, training ends at depth {near}"
        )
        if not away:
            verdicts.append(Verdict(f"{sentence}; nothing away from it to compare.", "undecided"))
            continue
        best = max(away, key=lambda r: r.end.value)
        both = near.accuracy.index.intersection(best.accuracy.index)
        lead = paired_difference(
            *(r.ends_in_range[r.accuracy.index.isin(both)] for r in (near, best))
        )
        sentence += f"; {lead} layers later than the best away from it ({best.place})."
        verdicts.append(Verdict(sentence, decided(lead.within(1e-9, np.inf))))
    return verdicts


def _critical(reaches: Sequence[Reach]) -> str:
    """Where networks of one activation are critical, in words."""
    starts = [r.start for r in reaches if r.start is not None]
    known = [s for s in starts if s.critical_sigma_w is not None]
    if known:
        places = {
            f"σ_w² = {(s.critical_sigma_w or 0.0) ** 2:.4g} for σ_b² = {s.sigma_b**2:.3g}"
            for s in known
        }
        return f"critical: {listed(sorted(places), most=2)}"
    return "it has no critical σ_w at this σ_b" if starts else "theory does not know it"


def _without_scale(reaches: Sequence[Reach]) -> list[Verdict]:
    """Networks without a fixed point, for which there is no depth scale to compare with."""
    lost = [reach for reach in reaches if reach.diverges]
    if not lost:
        return []
    parts = [f"{reach.family}, {reach.place} (training ends at depth {reach})" for reach in lost]
    sentence = f"No fixed point, the signal's length diverges with depth: {listed(parts)}"
    return [Verdict(sentence + ".", "measured")]


# -- table -----------------------------------------------------------------------------------------


def _table(reaches: Sequence[Reach]) -> Table:
    rows = []
    for r in reaches:
        point = None if r.start is None else r.start.point
        rows.append({
            "networks": r.label if r.start is None else r.family,
            "σ_w²": r.sigma_w**2, "phase": _phase(r), "χ": np.nan if point is None else point.chi,
            "ξ_c": _scale(r, 1.0), f"{TRAINABLE:g} ξ_c": _scale(r, TRAINABLE),
            "depth at 50 %": r.end.value, "95 %": bounds(r.end), "bracket": bounds(r.bracket),
            "in units of ξ_c": f"{r.in_units.value:.3g}" if limited(r) else "–",
            "bracket ": bounds(r.bracket_in_units) if limited(r) else "–",
            "beyond the range": r.beyond + r.short, "seeds": len(r.ends),
            "q*": "unknown" if point is None else "diverges" if point.diverges else f"{point.q:.4g}",
            "σ_b²": np.nan if r.start is None else r.start.sigma_b**2,
        })  # fmt: skip
    caption = (
        "Depth at 50 %: where the training accuracy falls below one half, between two measured depths "
        "by a straight line; a seed that does not cross within the range counts as its edge. 95 %: over "
        "seeds, as if the line were exact. Bracket: the depths measured on either side, from the lower "
        "bound of the mean of the one to the upper bound of the mean of the other; it decides. In units "
        f"of ξ_c only where {TRAINABLE:g} ξ_c lies within the measured depths. Diverges: no fixed point."
    )
    return Table("Where training ends", caption, DataFrame(rows))


def _phase(reach: Reach) -> str:
    if reach.start is None:
        return "unknown"
    if reach.diverges:
        return "diverges"
    near = abs(reach.start.point.chi - 1) < NEAR
    return "critical" if near else reach.start.point.phase


def _scale(reach: Reach, factor: float) -> str:
    if np.isnan(reach.xi):
        return "diverges" if reach.diverges else "unknown"
    return "∞" if factor * reach.xi > 1 / NEAR else f"{factor * reach.xi:.4g}"
