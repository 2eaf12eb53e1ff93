"""What does choosing squared error instead of cross-entropy do?

Note 001 asks it. A contest is fair when each side has the learning rate it needs: the losses' normalisers
and links scale their gradients by factors of ten and more, so at a common rate one side is judged by the
other's. Every head is therefore tried at every rate of a grid, its best is chosen on validation data, and
test results are compared seed by seed. The same cells also give the unfair contests, one at each rate.
"""

from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame, concat

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.configurations import metric_name
from experiments.reporting.intervals import mean_interval
from experiments.reporting.summary import bounds
from experiments.studies.contest.chance import ece_lead_by_chance
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.duels import values_of
from experiments.studies.contest.edges import edges
from experiments.studies.contest.speed import at_start, median_steps, steps_to, written_steps
from experiments.studies.contest.ties import ahead
from experiments.studies.loss_theory_figures import theory_figures
from experiments.studies.mse_figures import figures
from experiments.studies.reading.grouping import present
from experiments.studies.reading.verdicts import NOTHING, decided, listed, unanswered

#: a difference in accuracy below this is a tie
TIE = 0.01
#: a common rate misleads when the difference moves by more than this from rate to rate
MISLEADING = 0.1
ACCURACY = "test/accuracy"
NAMES = {
    ACCURACY: "Accuracy",
    "test/nll": "Negative log-likelihood",
    "test/brier": "Brier score",
    "test/ece": "Calibration error",
    "test/logit_norm": "Norm of the raw output",
    "test/confident_errors": "Share of confident errors",
}
CALIBRATION = ("test/nll", "test/brier", "test/ece")


@final
class MSEvsCrossEntropy(Study):
    """Head x learning rate x depth x width x activation x seed."""

    question: ClassVar[str] = (
        "What does choosing squared error instead of cross-entropy do, once each has the learning rate "
        "it needs?"
    )
    claim: ClassVar[str] = (
        f"At one common learning rate the difference in test accuracy depends on the rate by more than "
        f"{MISLEADING:g}. With the rate tuned for each side, and where all networks of both train, "
        f"cross-entropy and a squared error on a softmax or on sigmoids are, averaged over settings, within "
        f"{TIE:g} of each other: what cross-entropy wins is networks that squared error has not trained in "
        "the steps given."
    )
    refuted_by: ClassVar[str] = (
        f"An interval of the tuned difference that lies outside ±{TIE:g} where both train; common rates "
        f"that agree within {MISLEADING:g}; cross-entropy losing more networks."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        contest = Contest.of(results)
        if contest is None:
            return NOTHING
        table = _tuned_table(contest, folder)
        if contest.baseline is None or not contest.rivals:
            return unanswered(
                "Cross-entropy and another head are needed for a comparison.", (table,)
            )
        verdicts = present(
            _accuracy(contest), _training(contest), _one_rate(contest), _flips(contest),
            *(_calibration(contest, key, folder) for key in CALIBRATION if key in contest.rows),
            _speed(contest, folder), _growth(contest, folder), _confident_errors(contest),
            *edges(contest),
        )  # fmt: skip
        tables = (_fair_table(contest), _unfair_table(contest), table)
        drawn = (*figures(contest, folder, contest.target), *theory_figures())
        return Findings(verdicts, tables, drawn)


# -- verdicts --------------------------------------------------------------------------------------


def _bounded(head: str) -> bool:
    """Whether the claim speaks of this rival: squared error on a softmax or on sigmoids."""
    return "squared error on" in head


def _accuracy(contest: Contest) -> Verdict:
    """The fair contest: each at its own rate, where all networks of both train."""
    parts, within = [], []
    for rival in contest.rivals:
        duel = contest.fair_duel(rival, ACCURACY)
        parts.append(f"{duel.overall} against {rival} ({len(duel.differences)} settings)")
        if _bounded(rival):
            within.append(duel.overall.within(-TIE, TIE))
    sentence = (
        f"Each at its own rate, where all networks of both train: {contest.baseline} minus rival in test "
        f"accuracy is {'; '.join(parts)}."
    )
    return Verdict(sentence, decided(*within))


def _training(contest: Contest) -> Verdict:
    """How many networks learn nothing with each head, seed by seed."""
    least = contest.nothing_learnt
    share = {head: contest.ended_below(head, least) for head in contest.heads}
    baseline = share[str(contest.baseline)]
    if not len(baseline):
        return Verdict(
            "Which networks learn is not known, for want of a chance level.", "undecided"
        )
    lost = [f"{head} {contest.share_below(head, least)}" for head in contest.heads]
    bar = contest.trained_from
    poor = [f"{head} {contest.share_below(head, bar).value:.3g}" for head in contest.heads]
    more_lost = [
        ahead(mean_interval(share[rival] - baseline))
        for rival in contest.rivals
        if _bounded(rival) and len(share[rival]) == len(baseline)
    ]
    return Verdict(
        f"Share of networks that learn nothing{contest.given} (test accuracy below {least:.2f}), each at "
        f"its own rate: {', '.join(lost)}; that end below {bar:.2f}: {', '.join(poor)}.",
        decided(*more_lost),
    )


def _one_rate(contest: Contest) -> Verdict | None:
    """How far the difference moves with the learning rate, where both heads have the same one."""
    if len(contest.rates) < 2:
        return None
    parts, moved = [], []
    for rival in contest.rivals:
        duels = {rate: contest.duel(rival, ACCURACY, rate) for rate in contest.rates}
        known = [(duels[rate].overall.value, rate) for rate in duels if duels[rate].overall.seeds]
        if not known:
            continue
        low, high = min(known)[1], max(known)[1]
        least, most = duels[low], duels[high]
        parts.append(f"{least.overall} at {low:g} to {most.overall} at {high:g} against {rival}")
        if _bounded(rival):
            moved.append(most.above(least).within(MISLEADING, np.inf))
    if not parts:
        return Verdict("No rate is common to any two heads.", "undecided")
    sentence = (
        f"At one rate for both, {contest.baseline} minus rival in test accuracy runs from "
        f"{'; from '.join(parts)}."
    )
    return Verdict(sentence, decided(*moved))


def _flips(contest: Contest) -> Verdict:
    """The settings at which, with tuned rates, one side is clearly ahead."""
    parts = []
    for rival in contest.rivals:
        duel = contest.duel(rival, ACCURACY)
        won, lost = duel.settings_where(TIE, np.inf), duel.settings_where(-np.inf, -TIE)
        if won:
            parts.append(f"{contest.baseline} beats {rival} at {_places(won)}")
        if lost:
            parts.append(f"{rival} beats {contest.baseline} at {_places(lost)}")
    where = "; ".join(parts) if parts else "nowhere"
    return Verdict(
        f"Where the tuned difference is clearly beyond {TIE:g}, settings one by one: {where}.",
        "measured",
    )


def _places(settings: list[str]) -> str:
    """Settings in words; without a varying axis there is one, and it has no name."""
    return listed([setting or "the only setting" for setting in settings])


def _calibration(contest: Contest, key: str, folder: Path) -> Verdict:
    """The answers' probabilities, where all networks of both train."""
    parts = []
    for rival in contest.rivals:
        part = f"{contest.fair_duel(rival, key).overall} against {rival}"
        lead = ece_lead_by_chance(contest, rival, folder) if key == "test/ece" else np.nan
        parts.append(part + ("" if np.isnan(lead) else f" ({lead:.2g} if both were calibrated)"))
    what = f"{NAMES[key]} of the test answers where both train, {contest.baseline} minus rival: "
    return Verdict(f"{what}{'; '.join(parts)}.", "measured")


def _speed(contest: Contest, folder: Path) -> Verdict:
    """Steps to an accuracy near the best, of each head at its own rate."""
    if np.isnan(contest.target):
        return Verdict("Speed has no target, for want of a chance level.", "undecided")
    parts = []
    for head in contest.heads:
        cells = [c for arm in contest.contested if arm.head == head for c in arm.rows["cell"]]
        steps = steps_to(folder, cells, contest.target)
        arrived = np.isfinite(steps).mean() if len(steps) else 0.0
        parts.append(f"{head} {written_steps(median_steps(steps))} ({arrived:.0%} arrive)")
    sentence = f"Median steps to validation accuracy {contest.target:g}, each at its own rate: "
    return Verdict(sentence + ", ".join(parts) + ".", "measured")


def _growth(contest: Contest, folder: Path) -> Verdict | None:
    """By how much training scales the raw outputs up; a saturating link lets them grow without end."""
    key, parts = "val/logit_norm", []
    if key not in contest.rows:
        return None
    for head in contest.heads:
        rows = concat(arm.rows for arm in contest.contested if arm.head == head)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            grown = values_of(rows, key) / at_start(folder, list(rows["cell"]), key)
        known = grown[np.isfinite(grown)]
        if len(known):
            parts.append(f"{head} {np.median(known):.2g} times")
    if not parts:
        return None
    return Verdict(
        f"Growth of the raw output's norm by training, median over networks: {', '.join(parts)}.",
        "measured",
    )


def _confident_errors(contest: Contest) -> Verdict | None:
    """The size of the gradient where the answer is wrong and confident."""
    key = "test/confident_error_gradient"
    if key not in contest.rows:
        return None
    parts = []
    for head in contest.heads:
        arms = [arm for arm in contest.contested if arm.head == head]
        seeds = np.concatenate([values_of(arm.rows, key) for arm in arms])
        known = seeds[np.isfinite(seeds)]
        size = f"{np.median(known):.2g}" if len(known) else "no such example"
        parts.append(f"{head} {size}")
    return Verdict(
        "Norm of δ at the output where a test answer is wrong with confidence 0.9 or more, median over "
        "networks: " + ", ".join(parts) + ".",
        "measured",
    )


# -- tables ----------------------------------------------------------------------------------------


def _fair_table(contest: Contest) -> Table:
    rows = []
    for key, name in NAMES.items():
        for rival in contest.rivals if key in contest.rows else ():
            duel = contest.fair_duel(rival, key)
            rows.append({
                "": name, "rival": rival, "difference": duel.overall.value,
                "95 %": bounds(duel.overall), "settings": len(duel.differences),
            })  # fmt: skip
    caption = (
        f"{str(contest.baseline).capitalize()} minus rival on test data, each at its own rate; means over "
        "the settings at which every network of both trains, paired by seed, with intervals over seeds."
    )
    return Table("The fair contest", caption, DataFrame(rows))


def _unfair_table(contest: Contest) -> Table:
    rows = []
    for rival in contest.rivals:
        tuned = contest.duel(rival, ACCURACY).overall
        row = {"rival": rival, "each its own": tuned.value, "95 %": bounds(tuned)}
        for rate in contest.rates:
            row[f"both {rate:g}"] = contest.duel(rival, ACCURACY, rate).overall.value
        rows.append(row)
    caption = (
        f"Test accuracy of {contest.baseline} minus that of the rival, mean over all settings at which any "
        "head learns; above 0 cross-entropy is ahead. A diverged network counts as guessing."
    )
    return Table("The unfair contests, one at each rate", caption, DataFrame(rows))


def _tuned_table(contest: Contest, folder: Path) -> Table:
    rows, target = [], contest.target
    for arm in contest.arms:
        accuracy = mean_interval(values_of(arm.rows, ACCURACY))
        row = {
            "setting": arm.setting, "head": arm.head, "rate": arm.rate, "edge": arm.edge,
            "seeds": len(arm.rows), "test accuracy": accuracy.value, "95 %": bounds(accuracy),
            f"steps to {target:g}": median_steps(steps_to(folder, list(arm.rows["cell"]), target)),
        }  # fmt: skip
        for key in NAMES:
            if key != ACCURACY and key in arm.rows:
                name = metric_name(key).removeprefix("test ")
                row[name] = mean_interval(values_of(arm.rows, key)).value
        rows.append(row)
    caption = (
        "Every head at its best learning rate, chosen by mean validation accuracy. Edge: that rate is the "
        "lowest or highest tried. Steps: median over seeds, as fine as the evaluations; ∞ where most "
        "never arrive. nll, brier, ece, logit norm, confident errors: means on test data."
    )
    return Table("Every contestant at its best rate", caption, DataFrame(rows))
