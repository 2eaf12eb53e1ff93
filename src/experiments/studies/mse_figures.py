"""The figures of the contest between cross-entropy and squared error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from experiments.core.study import Figure
from experiments.probes.metrics.ece import BINS
from experiments.reporting.configurations import short, text
from experiments.reporting.figures import (
    Axis,
    Curve,
    Panel,
    Reliability,
    against_axis,
    heat_map,
    reliability_diagram,
)
from experiments.reporting.figures.learning_curves import STEP
from experiments.studies.contest.answers import answers_of, reliability_sums
from experiments.studies.contest.contest import Contest
from experiments.studies.reading.curves import learning_curve
from experiments.studies.reading.family import DEPTH
from experiments.studies.reading.grouping import present

ACCURACY, HISTORY = "test/accuracy", "val/accuracy"
#: settings that get a panel of their own
PANELS = 4


def figures(contest: Contest, folder: Path, target: float) -> tuple[Figure, ...]:
    """All of them; those for which nothing was recorded are left out.

    Args:
        contest: with a baseline and at least one rival.
        folder: for the learning curves and the checkpoints.
        target: the accuracy that speed is measured to.
    """
    reach = _reach(contest)
    return present(
        _against_rate(contest),
        *(_map(contest, rival, reach) for rival in contest.rivals),
        _learning(contest, folder, target),
        reliability_of(contest, folder),
    )


def _against_rate(contest: Contest) -> Figure | None:
    """The unfair contests, one at each rate, and the fair one as a level."""
    if len(contest.rates) < 2:
        return None
    curves = []
    for head in contest.heads:  # the baseline too, at 0: a head has one colour in the whole report
        samples = [contest.duel(head, ACCURACY, rate).per_seed for rate in contest.rates]
        curves.append(Curve(head, np.array(contest.rates), samples))
    caption = (
        f"Test accuracy of {contest.baseline} minus that of each rival when both train at the same "
        "learning rate, mean over settings. Above 0 cross-entropy is ahead; its own line is 0. The same "
        "networks, a different rate, another verdict."
    )
    panel = Panel("", tuple(curves))
    axis = Axis("learning rate of both", logarithmic=True)
    title = "The unfair contest: one learning rate for both"
    return against_axis([panel], axis, Axis("difference in test accuracy"), title, caption)


def _reach(contest: Contest) -> float:
    """The largest difference of any contest: one scale of colours for all maps."""
    duels = [contest.duel(rival, ACCURACY) for rival in contest.rivals]
    sizes = [abs(duel.at(setting).value) for duel in duels for setting in duel.differences]
    return max((size for size in sizes if np.isfinite(size)), default=1.0)


def _map(contest: Contest, rival: str, reach: float) -> Figure | None:
    """The fair contest, setting by setting: depth across, everything else down."""
    duel = contest.duel(rival, ACCURACY)
    places = {arm.setting: arm.values for arm in contest.contested if arm.head == rival}
    if len(duel.differences) < 2:
        return None
    depths = sorted({values[DEPTH] for values in places.values() if DEPTH in values})
    columns = [f"{depth:g}" for depth in depths] or [""]
    rows = sorted({_rest(values) for values in places.values()})
    grid = np.full((len(rows), len(columns)), np.nan)
    for setting in duel.differences:
        values = places[setting]
        column = depths.index(values[DEPTH]) if DEPTH in values else 0
        grid[rows.index(_rest(values)), column] = duel.at(setting).value
    caption = (
        f"Test accuracy of {contest.baseline} minus that of {rival}, each at its own learning rate, mean "
        "over seeds. Above 0 cross-entropy is ahead. A dash: no head learns there."
    )
    return heat_map(
        grid, list(rows), columns, "difference",
        f"The fair contest against {rival}", caption,
        labels=("", "depth (hidden layers)" if depths else ""), limits=(-reach, reach),
        diverging=True, pattern="{:+.3f}",
    )  # fmt: skip


def _rest(values: Mapping[str, Any]) -> str:
    """A setting without its depth, in words."""
    named = [
        text(value) if isinstance(value, str) else f"{short(key)} {text(value)}"
        for key, value in values.items()
        if key != DEPTH
    ]
    return " · ".join(named)


def _learning(contest: Contest, folder: Path, target: float) -> Figure | None:
    """Validation accuracy of every head at its own rate, for settings at even distances."""
    settings = list(dict.fromkeys(arm.setting for arm in contest.contested))
    picked = np.unique(np.linspace(0, len(settings) - 1, min(PANELS, len(settings))).round())
    level = () if np.isnan(target) else (("", target),)
    panels = []
    for k in picked.astype(int):
        arms = [arm for arm in contest.contested if arm.setting == settings[k]]
        order = sorted(arms, key=lambda arm: contest.heads.index(arm.head))
        curves = present(
            *(learning_curve(arm.head, list(arm.rows["cell"]), HISTORY, folder) for arm in order)
        )
        if curves:
            panels.append(Panel(settings[k], curves, level))
    if not panels:
        return None
    caption = "Each head at its own learning rate."
    if level:
        caption += f" Dotted: the target of speed, {target:g}."
    if len(picked) < len(settings):
        caption += f" Shown: {len(picked)} of {len(settings)} settings, evenly picked."
    title = "Learning, each at its own rate"
    return against_axis(panels, STEP, Axis("validation accuracy"), title, caption, columns=2)


def reliability_of(contest: Contest, folder: Path) -> Figure | None:
    """One diagram a head, over all settings, from the test answers of the networks that were kept."""
    panels = []
    for head in contest.heads:
        seeds: dict[int, Float64[ndarray, "3 bins"]] = {}
        rows = [row for arm in contest.contested if arm.head == head for row in arm.records]
        for row in rows:
            answers = answers_of(row, folder)
            if answers is not None:
                seed = int(row["seed"])
                seeds[seed] = seeds.get(seed, 0.0) + reliability_sums(answers, BINS)
        if seeds:
            examples, confidence, right = np.stack(list(seeds.values()), axis=1)
            panels.append(Reliability(head, examples, confidence, right))
    if not panels:
        return None
    caption = "Test answers of every network at its own learning rate, all settings together."
    if any(head.endswith("raw") for head in contest.heads):
        caption += " Raw outputs below 0 count as 0, and each row is divided by its sum."
    return reliability_diagram(panels, "How far the confidence can be trusted", caption)
