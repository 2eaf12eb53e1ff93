"""How much of the difference in calibration is left after one temperature?

Networks that fit their training data are too sure of themselves, each head in its own way. One number fitted
on validation outputs after training, p = softmax(z / T), mends what can be mended by scale; it never changes
which class is chosen. What is left is a difference of the trained networks, not of how outputs are read.

References:
    Guo et al. (2017); Greydanus (2020), the MNIST-1D network: 40-100-100-10 ReLU with a skip, Adam 0.01.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame, concat

from experiments.core.metric import Answers, Metric
from experiments.core.study import Figure, Findings, Study, Table, Verdict
from experiments.probes.metrics import ECE, NLL, Brier
from experiments.probes.metrics.ece import BINS
from experiments.reporting.figures import Reliability, reliability_diagram
from experiments.reporting.intervals import mean_interval
from experiments.reporting.summary import bounds
from experiments.studies.contest.answers import (
    answers_of,
    best_temperature,
    reliability_sums,
    tempered,
)
from experiments.studies.contest.chance import ece_by_chance
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.duels import seed_means, values_of
from experiments.studies.contest.edges import edges
from experiments.studies.contest.tuning import Arm
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.verdicts import NOTHING, decided, unanswered

METRICS: dict[str, Metric] = {"nll": NLL(), "brier": Brier(), "ece": ECE(BINS)}
#: every head is calibrated to within this afterwards
CALIBRATED = 0.1
CROSS, RAW = "cross entropy", "half squared error, raw"
#: test accuracy in per cent on MNIST-1D after 6000 steps: three seeds, computed once
ELSEWHERE = {
    CROSS: ("63.6 to 64.2", ".30"), "binary cross entropy": ("62.1 to 62.8", ".29"),
    RAW: ("58.9 to 61.0", ".07 to .10"), "half squared error on sigmoid": ("60.8 to 63.9", "–"),
    "half squared error on softmax": ("60.4 to 63.4", "–"),
}  # fmt: skip


@final
class CalibrationAfterTemperature(Study):
    """Head x learning rate x seed, and a temperature for every network."""

    question: ClassVar[str] = (
        "How much of the difference in calibration is left after one temperature?"
    )
    claim: ClassVar[str] = (
        f"After one temperature every head's calibration error lies below {CALIBRATED:g}, however far off it "
        "was before."
    )
    refuted_by: ClassVar[str] = (
        f"An interval of a head's calibration error after temperature that lies above {CALIBRATED:g}."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        contest = Contest.of(results)
        if contest is None:
            return NOTHING
        networks = _networks(contest, folder)
        if not networks:
            return unanswered("No cell kept a checkpoint that can be asked (trainer.checkpoint).")
        measured = _measured(networks)
        verdicts = (
            _calibrated(contest, measured), _spread(measured), _nll(contest, measured),
            _accuracy(contest), *edges(contest),
        )  # fmt: skip
        figures = (
            _diagram([(n.head, n.before) for n in networks], contest.heads,
                     "As trained", "Each head's own prediction."),
            _diagram([(n.head, n.after) for n in networks], contest.heads,
                     "After one temperature", "softmax(z / T) for every head."),
        )  # fmt: skip
        tables = (_table(contest, measured), _elsewhere(contest, measured))
        return Findings(verdicts, tables, figures)


@dataclass(frozen=True)
class Network:
    """One trained network: its temperature, and its test answers before and after it."""

    head: str
    setting: str
    seed: int
    temperature: float
    before: Answers
    after: Answers


def _networks(contest: Contest, folder: Path) -> list[Network]:
    """Every network that left a checkpoint, with the temperature that its validation answers ask for."""
    networks = []
    for arm in contest.arms:
        for row in arm.records:
            val, test = (answers_of(row, folder, part) for part in ("val", "test"))
            if val is None or test is None:
                continue
            t = best_temperature(val)
            after = tempered(test, t)
            networks.append(Network(arm.head, arm.setting, row["seed"], t, test, after))
    return networks


def _measured(networks: Sequence[Network]) -> DataFrame:
    """One row a network: its temperature, and every metric before and after."""
    return DataFrame([
        {
            "head": network.head, "setting": network.setting, "seed": network.seed,
            "T": network.temperature,
            **{name: float(metric(network.before)) for name, metric in METRICS.items()},
            **{f"{name} after": float(metric(network.after)) for name, metric in METRICS.items()},
            "ece by chance": ece_by_chance(network.after, BINS),
        }
        for network in networks
    ])  # fmt: skip


def _calibrated(contest: Contest, measured: DataFrame) -> Verdict:
    parts, known = [], []
    for head in contest.heads:
        mine = measured[measured["head"] == head]
        if len(mine):
            before, after = (mean_interval(seed_means(mine, c)) for c in ("ece", "ece after"))
            parts.append(f"{head} {before} to {after}")
            known.append(after.within(0.0, CALIBRATED))
    return Verdict(
        f"One temperature takes the calibration error of the test answers from, to: {'; '.join(parts)}. "
        "Of so many answers, as sure as these and exactly as often right, "
        f"{measured['ece by chance'].mean():.3g} is what it measures on average.",
        decided(*known),
    )


def _spread(measured: DataFrame) -> Verdict:
    """The question's own number: how far the heads lie apart, before and after."""
    apart = []
    for name in ("ece", "ece after", "nll", "nll after"):
        means = measured.groupby("head")[name].mean()
        apart.append(f"{means.max() - means.min():.2g}")
    return Verdict(
        "Between the best and the worst head one temperature takes the distance in calibration error from "
        f"{apart[0]} to {apart[1]}, in negative log-likelihood from {apart[2]} to {apart[3]}.",
        "measured",
    )


def _nll(contest: Contest, measured: DataFrame) -> Verdict:
    parts = []
    for head in contest.heads:
        mine = measured[measured["head"] == head]
        if len(mine):
            before, after, scale = (
                mean_interval(seed_means(mine, c)) for c in ("nll", "nll after", "T")
            )
            parts.append(f"{head} {before.value:.3g} to {after} (T = {scale.value:.2g})")
    return Verdict(f"Negative log-likelihood, the same way: {'; '.join(parts)}.", "measured")


def _accuracy(contest: Contest) -> Verdict:
    parts = []
    for head in contest.heads:
        rows = concat(arm.rows for arm in contest.arms if arm.head == head)
        parts.append(f"{head} {mean_interval(seed_means(rows, 'test/accuracy'))}")
    return Verdict(f"Test accuracy, which no temperature moves: {', '.join(parts)}.", "measured")


def _table(contest: Contest, measured: DataFrame) -> Table:
    rows = []
    for arm in contest.arms:
        mine = measured[(measured["head"] == arm.head) & (measured["setting"] == arm.setting)]
        where = {"setting": arm.setting} if arm.setting else {}
        row = {**where, "head": arm.head, "rate": arm.rate, "networks": len(mine)}
        for k, column in enumerate(("T", *(n for m in METRICS for n in (m, f"{m} after")))):
            interval = mean_interval(mine[column].to_numpy(np.float64))
            row |= {column: interval.value, "95 %" + " " * k: bounds(interval)}
        row["ece by chance"] = float(mine["ece by chance"].mean())
        rows.append(row)
    caption = (
        "Means over seeds on test data, each head at its own rate: as trained, and read as softmax(z / T) "
        "with the T that suits the validation part best. Brier: 0 to 2. A raw output of 0 or less for the "
        "right class counts as a probability of 1e-12. By chance: what answers as sure as those after and "
        "exactly as often right would measure, for want of examples in the bins."
    )
    return Table("Before and after", caption, DataFrame(rows))


def _elsewhere(contest: Contest, measured: DataFrame) -> Table:
    rows = []
    for head, (accuracy, ece) in ELSEWHERE.items():
        arms: list[Arm] = [arm for arm in contest.arms if arm.head == head]
        seeds = np.concatenate([np.empty(0), *(values_of(a.rows, "test/accuracy") for a in arms)])
        here = f"{100 * seeds.min():.1f} to {100 * seeds.max():.1f}" if len(seeds) else "–"
        ours = measured.loc[measured["head"] == head, "ece"]
        rows.append({
            "head": head, "their accuracy, %": accuracy, "here, %": here,
            "their ECE": ece, "ECE here": f"{ours.min():.2f} to {ours.max():.2f}" if len(ours) else "–",
        })  # fmt: skip
    caption = (
        "Theirs: other code, MNIST-1D, three seeds of the same network trained for 6,000 steps on all 4,000 "
        "examples in a fixed order at rate .01, raw outputs clipped to [0, 1]. Here 500 examples are "
        "kept for validation, order is drawn, each head has its own rate, and raw outputs are divided by "
        "their sum."
    )
    return Table("Beside another program's numbers", caption, DataFrame(rows))


def _diagram(
    answers: Sequence[tuple[str, Answers]], heads: Sequence[str], title: str, caption: str
) -> Figure:
    """One panel for every head with answers, one sample for every network."""
    by_head = grouped(answers, lambda pair: pair[0])
    panels = []
    for head in (head for head in heads if head in by_head):
        sums = [reliability_sums(each, BINS) for _, each in by_head[head]]
        panels.append(Reliability(head, *np.stack(sums, axis=1)))
    return reliability_diagram(panels, title, caption)
