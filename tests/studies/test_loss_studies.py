"""The studies of losses on made-up rows: each verdict confirmed, refuted and undecided."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pandas import DataFrame
from tests.reporting.fabricated import write_minimal_record

from experiments.activations import Tanh
from experiments.core.metric import Answers
from experiments.core.study import Findings, Study
from experiments.data import Digits
from experiments.initializers import Glorot
from experiments.losses import CrossEntropy, HalfSquaredError
from experiments.models import MLP
from experiments.probes.metrics import ECE
from experiments.studies import (
    CalibrationAfterTemperature,
    ClassImbalance,
    DepthWall,
    FewSamples,
    LabelNoise,
    LearningSlowdown,
    MNIST1DBaselines,
    MSEvsCrossEntropy,
    SaturatedStart,
    calibration_after_temperature,
    mse_figures,
)
from experiments.studies.contest.answers import answers_of
from experiments.studies.contest.chance import ece_by_chance
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.edges import edges

HEADS = {
    "ce": ("cross_entropy", "softmax"),
    "bce": ("binary_cross_entropy", "sigmoid"),
    "se": ("half_squared_error", "softmax"),
    "se on sigmoid": ("half_squared_error", "sigmoid"),
    "raw": ("half_squared_error", "identity"),
    "mae": ("absolute_error", "softmax"),
}
EMPTY = DataFrame({"cell": [], "step": [], "layer": [], "log10_delta_norm": []})
#: what three or ten seeds add to an accuracy, the same for every head
JITTER = 0.004
cells = iter(range(10**6))


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts are judged here; that every picture can be drawn is the contract's test."""
    for name in ("against_axis", "heat_map", "reliability"):
        module = sys.modules[f"experiments.reporting.figures.{name}"]
        monkeypatch.setattr(module, "to_svg", lambda figure, title: "<svg/>")
        if hasattr(module, "draw_panels"):
            monkeypatch.setattr(module, "draw_panels", lambda *panels: None)


def networks(
    head: str, accuracy: float, seeds: int = 4, spread: float = 0.0, **axes: Any
) -> Iterator[dict[str, Any]]:
    """Rows of one contestant; ``spread`` is what its seeds differ by from another head's."""
    loss, link = HEADS[head]
    for seed in range(seeds):
        value = accuracy + JITTER * (seed % 2) + spread * (-1) ** seed
        held = {"model.depth": 1, "optimizer.lr": 0.1, "data": "digits", "seed": seed} | axes
        yield {
            "cell": f"c{next(cells)}", "status": "finished", "loss": loss, "loss.link": link, **held,
            "train/accuracy": value, "val/accuracy": value, "test/accuracy": value,
            "val/loss": 1 - value, "test/nll": 1 - value,
        }  # fmt: skip


def table(*rows: Iterator[dict[str, Any]]) -> DataFrame:
    """All rows as one results table."""
    return DataFrame([row for part in rows for row in part])


def found(
    study: type[Study], results: DataFrame, folder: Path, ledger: DataFrame = EMPTY
) -> Findings:
    """What the study says of made-up rows, whose curves rise in one step."""
    for row in results.to_dict("records"):
        curve = {"step": [0, 100], "val/accuracy": [0.1, row["val/accuracy"]]}
        write_minimal_record(folder, row, history=curve)
    return study().findings(results, ledger, folder)


def outcomes(findings: Findings) -> list[str]:
    """Of the verdicts that judge."""
    return [verdict.outcome for verdict in findings.verdicts if verdict.outcome != "measured"]


# -- mse_vs_cross_entropy --------------------------------------------------------------------------


def _contest(own: dict[str, float], common: dict[str, float], **kwargs: Any) -> DataFrame:
    """Every head is best at a rate of its own; at the rival's it reaches ``common``."""
    parts = []
    for depth in (1, 2):
        for head, rate in (("ce", 0.1), ("se", 1.0)):
            other = 1.1 - rate
            parts.append(networks(head, own[head], **kwargs, **_at(depth, rate)))
            parts.append(networks(head, common[head], **kwargs, **_at(depth, other)))
    return table(*parts)


def _at(depth: int, rate: float) -> dict[str, Any]:
    return {"model.depth": depth, "optimizer.lr": round(rate, 6)}


def test_a_tie_when_tuned_and_a_contest_at_one_rate_that_misleads(tmp_path: Path) -> None:
    """Equal at own rates, far apart at either common one; neither loses a network, which is no win."""
    results = _contest({"ce": 0.95, "se": 0.95}, {"ce": 0.6, "se": 0.5})
    accuracy, training, one_rate, flips, *_ = found(MSEvsCrossEntropy, results, tmp_path).verdicts
    assert [v.outcome for v in (accuracy, one_rate)] == ["confirmed"] * 2
    assert training.outcome == "undecided"
    assert "is 0 [0, 0] against half squared error on softmax (2 settings)" in accuracy.sentence
    assert "from -0.35 [-0.35, -0.35] at 1 to 0.45 [0.45, 0.45] at 0.1" in one_rate.sentence
    assert flips.sentence.endswith("nowhere.")


def test_a_head_has_one_colour_in_the_whole_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Colours follow the order of a figure's labels: in each the heads, cross-entropy first."""
    drawn: list[list[str]] = []
    draw = mse_figures.against_axis

    def noting(panels: Any, *rest: Any, **named: Any) -> Any:
        drawn.extend([curve.label for curve in panel.curves] for panel in panels)
        return draw(panels, *rest, **named)

    monkeypatch.setattr(mse_figures, "against_axis", noting)
    found(MSEvsCrossEntropy, _contest({"ce": 0.95, "se": 0.95}, {"ce": 0.6, "se": 0.5}), tmp_path)
    assert drawn == [["cross entropy", "half squared error on softmax"]] * 3


def test_a_clear_lead_when_tuned_refutes_the_tie(tmp_path: Path) -> None:
    """0.03 where both train; the same difference at every rate; no network lost."""
    results = _contest({"ce": 0.95, "se": 0.92}, {"ce": 0.94, "se": 0.91})
    accuracy, training, one_rate, flips, *_ = found(MSEvsCrossEntropy, results, tmp_path).verdicts
    assert (accuracy.outcome, training.outcome, one_rate.outcome) == (
        "refuted", "undecided", "refuted",
    )  # fmt: skip
    assert "cross entropy beats half squared error on softmax at depth 1 and depth 2" in (
        flips.sentence
    )


@pytest.mark.parametrize(
    ("lost", "kept", "outcome"), [("ce", "se", "refuted"), ("se", "ce", "confirmed")]
)
def test_who_loses_more_networks(lost: str, kept: str, outcome: str, tmp_path: Path) -> None:
    """At depth 2 one head is at chance: counted as untrained, and left out of the fair contest."""
    results = table(
        networks("ce", 0.95), networks("se", 0.95),
        networks(lost, 0.1, **{"model.depth": 2}), networks(kept, 0.95, **{"model.depth": 2}),
    )  # fmt: skip
    results = results.assign(**{"trainer.max_steps": 1500})
    accuracy, training, *_ = found(MSEvsCrossEntropy, results, tmp_path).verdicts
    assert training.outcome == outcome
    assert "learn nothing in 1,500 steps (" in training.sentence
    assert "(1 settings)" in accuracy.sentence
    assert accuracy.outcome == "confirmed"


def test_a_network_at_the_bound_itself_is_not_below_it(tmp_path: Path) -> None:
    """81 right of 270 are 0.3, and chance 0.1 plus 0.2 is 0.30000000000000004 in floats."""
    results = table(
        networks("ce", 0.95), networks("se", 0.95),
        networks("ce", 0.95, seeds=1, **{"model.depth": 2}),
        (row | {"test/accuracy": 81 / 270} for row in networks("se", 0.9, seeds=1, **{"model.depth": 2})),
    )  # fmt: skip
    training = found(MSEvsCrossEntropy, results, tmp_path).verdicts[1]
    assert "half squared error on softmax 0 [0, 0]" in training.sentence


def test_rates_that_seeds_do_not_tell_apart_mislead_nobody_for_sure(tmp_path: Path) -> None:
    """0.12 between two common rates on average, anywhere from -0.18 to 0.42 seed by seed: open."""
    parts = []
    for rate, lead, spread in ((0.1, 0.06, 0.15), (1.0, -0.06, -0.15)):
        at = {"optimizer.lr": rate}
        parts += [networks("ce", 0.7 + lead, spread=spread, **at), networks("se", 0.7, **at)]
    one_rate = found(MSEvsCrossEntropy, table(*parts), tmp_path).verdicts[2]
    assert one_rate.outcome == "undecided"


def test_one_setting_is_named_and_two_seeds_confirm_nothing(tmp_path: Path) -> None:
    """Where no axis varies the sentence still says where; a yes or no a seed has Wilson's interval."""
    results = table(
        *(networks(head, 0.95, seeds=2, **{"optimizer.lr": rate})
          for head, rate in (("ce", 0.1), ("se", 1.0))),
        *(networks(head, 0.3, seeds=2, **{"optimizer.lr": rate})
          for head, rate in (("ce", 1.0), ("se", 0.1))),
        networks("raw", 0.1, seeds=2, **{"optimizer.lr": 0.1}),
    )  # fmt: skip
    verdicts = found(MSEvsCrossEntropy, results, tmp_path).verdicts
    accuracy, training, one_rate, *_ = verdicts
    assert [v.outcome for v in (accuracy, training, one_rate)] == ["undecided"] * 3
    assert "cross entropy 0 [0, 0.658]" in training.sentence
    assert "half squared error, raw 1 [0.342, 1]" in training.sentence
    three = table(networks("ce", 0.95, seeds=3), networks("raw", 0.1, seeds=3))
    flips = found(MSEvsCrossEntropy, three, tmp_path).verdicts[2]
    assert flips.sentence.endswith(
        "cross entropy beats half squared error, raw at the only setting."
    )


def test_seeds_that_scatter_leave_the_tie_open(tmp_path: Path) -> None:
    """An interval across the bound decides nothing; neither does one rate alone."""
    results = table(networks("ce", 0.95), networks("se", 0.945, spread=0.02))
    findings = found(MSEvsCrossEntropy, results, tmp_path)
    assert findings.verdicts[0].outcome == "undecided"
    assert findings.verdicts[-1].sentence.startswith("One learning rate was tried")


def test_only_an_edge_that_still_rises_is_warned_of() -> None:
    """A best rate at the end of the grid, better than its neighbour; not one of a plateau."""
    rates = (0.1, 1.0, 10.0)
    for last, warned in ((0.97, True), (0.901, False), (0.5, False)):
        at = zip(rates, (0.8, 0.9, last), strict=True)
        arms = [networks("ce", value, **{"optimizer.lr": rate}) for rate, value in at]
        contest = Contest.of(table(*arms))
        assert contest is not None
        assert bool(edges(contest)) == warned


# -- depth_wall ------------------------------------------------------------------------------------


NIELSEN = {"initializer": "gaussian", "initializer.sigma_w": 1.0, "initializer.sigma_b": 1.0}


def _wall(
    tmp_path: Path,
    three: float = 0.92,
    factor: float = 0.2048,
    seeds: int = 4,
    spread: float = 0.0,
    one: float = 0.93,
    layer: float = 0.2048,
    start: dict[str, Any] = NIELSEN,
    wide: int = 30,
) -> Findings:
    """Layers of a factor ``layer``; ``factor`` is what squared error has of cross-entropy's gradient.

    The deepest networks are ``wide``, all others 30 neurons.
    """
    accuracy = {"bce": (0.96, 0.95, three, 0.12), "se on sigmoid": (one, 0.35, 0.1, 0.1)}
    parts, ledger = [], []
    for head, reached in accuracy.items():
        for depth, value in enumerate(reached, start=1):
            width = wide if depth == 4 else 30
            axes = {"activation": "sigmoid", "model.width": width, "model.depth": depth} | start
            rows = list(networks(head, value, seeds, spread, **axes))
            gradient = depth * np.log10(layer) + (head != "bce") * np.log10(factor)
            ledger += [
                {"cell": row["cell"], "step": 0, "layer": 2,
                 "log10_delta_norm": gradient + 0.01 * (-1) ** row["seed"]} for row in rows
            ]  # fmt: skip
            parts.append(iter(rows))
    return found(DepthWall, table(*parts), tmp_path, DataFrame(ledger))


def test_the_wall_stands_where_it_was_published(tmp_path: Path) -> None:
    """Accuracies inside the bounds, and a gradient smaller by one layer's factor."""
    findings = _wall(tmp_path)
    assert outcomes(findings) == ["confirmed", "confirmed"]
    assert "has 0.205 to 0.205 times the first-layer gradient" in findings.verdicts[1].sentence
    assert "0.352 [0.348, 0.356] with 2 beside 0.922 [0.918, 0.926] with 3" in (
        findings.verdicts[2].sentence
    )
    assert findings.tables[0].frame["here"].str.len().gt(3).all()


def test_a_wall_elsewhere_or_another_factor_refutes(tmp_path: Path) -> None:
    """Three layers that do not train, one of squared error that does not; half the factor between them."""
    assert outcomes(_wall(tmp_path, one=0.5)) == ["refuted", "confirmed"]
    assert outcomes(_wall(tmp_path, three=0.5)) == ["refuted", "confirmed"]
    assert outcomes(_wall(tmp_path, factor=0.1)) == ["confirmed", "refuted"]


def test_another_start_is_judged_by_its_own_factors(tmp_path: Path) -> None:
    """Glorot's layer is 0.236 and its losses are 0.228 apart: right there, and wrong for Nielsen's start.

    Of two starts, or of an initializer that theory does not know, there is no one prediction.
    """
    measured = {"layer": 0.2361, "factor": 0.2283}
    own = _wall(tmp_path, **measured, start={"initializer": "glorot"})
    assert outcomes(own)[1] == "confirmed"
    assert "(mean field: 0.2361)" in own.verdicts[1].sentence
    assert outcomes(_wall(tmp_path, **measured))[1] == "refuted"
    unpredicted: list[dict[str, Any]] = [
        {"initializer": "my_own"}, {"model.normalize": True} | NIELSEN, {"data": "my_own"} | NIELSEN
    ]  # fmt: skip
    for unknown in (*(_wall(tmp_path, start=s) for s in unpredicted), _wall(tmp_path, wide=60)):
        assert outcomes(unknown)[1] == "undecided"
        assert "mean field:" not in unknown.verdicts[1].sentence
        assert all("Dashed" not in figure.caption for figure in unknown.figures)


def test_one_seed_or_wide_ones_leave_the_wall_open(tmp_path: Path) -> None:
    """No interval, or one across a bound."""
    assert outcomes(_wall(tmp_path, seeds=1)) == ["undecided", "undecided"]
    assert outcomes(_wall(tmp_path, three=0.86, spread=0.05))[0] == "undecided"


# -- learning_slowdown -----------------------------------------------------------------------------


def _neurons(tmp_path: Path, squared: int, cross: int) -> Findings:
    """From w = b = 2 at rate .15: outputs that cross one half after so many steps."""
    rows, ledger = [], []
    for head, half in (("se on sigmoid", squared), ("bce", cross)):
        axes = {
            "data": "one_point",
            "initializer.w": 2.0,
            "initializer.b": 2.0,
            "optimizer.lr": 0.15,
        }
        (row,) = networks(head, 1.0, seeds=1, **axes)
        rows.append(row)
        steps = np.arange(301)
        ledger.append(DataFrame({
            "cell": row["cell"], "step": steps, "layer": 2, "delta_norm": 0.1,
            "activation_mean": 4.0 * (half - 0.5 - steps) / half,
        }))  # fmt: skip
    return found(LearningSlowdown, DataFrame(rows), tmp_path, pd.concat(ledger))


def test_how_many_times_slower_a_neuron_is(tmp_path: Path) -> None:
    """Twelve times as many steps confirm, three times refute; made-up outputs are not the published."""
    slow, published = _neurons(tmp_path, squared=240, cross=20).verdicts
    assert slow.outcome == "confirmed"
    assert (
        "squared error after 240 steps and with cross-entropy after 20 steps, 12 times"
        in slow.sentence
    )
    assert published.outcome == "refuted"
    assert _neurons(tmp_path, squared=60, cross=20).verdicts[0].outcome == "refuted"


def test_a_neuron_that_never_arrives_bounds_the_slowdown(tmp_path: Path) -> None:
    """Neither within 300 steps: open. Squared error alone: at least 300 over the other's steps."""
    never = _neurons(tmp_path, squared=900, cross=900).verdicts[0]
    assert never.outcome == "undecided"
    assert "never falls below one half with either loss" in never.sentence
    slow = _neurons(tmp_path, squared=900, cross=20).verdicts[0]
    assert slow.outcome == "confirmed"
    assert "with squared error never and with" in slow.sentence
    assert "more than 15 times as many" in slow.sentence
    assert _neurons(tmp_path, squared=900, cross=60).verdicts[0].outcome == "undecided"
    fast = _neurons(tmp_path, squared=20, cross=900).verdicts[0]
    assert fast.outcome == "refuted"
    assert fast.sentence.endswith("with squared error after 20 steps and with cross-entropy never.")


def test_other_neurons_leave_the_slowdown_open(tmp_path: Path) -> None:
    """Nothing at the start and rate that are claimed."""
    (row,) = networks(
        "bce", 1.0, seeds=1, data="one_point", **{"initializer.w": 0.6, "initializer.b": 0.9}
    )
    steps = DataFrame({"cell": row["cell"], "step": [0, 1], "layer": 2, "delta_norm": 0.1,
                       "activation_mean": [1.0, 0.9]})  # fmt: skip
    assert outcomes(found(LearningSlowdown, DataFrame([row]), tmp_path, steps)) == ["undecided"] * 2


# -- saturated_start -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("squared", "spread", "outcome"),
    [
        (0.3, 0.0, "confirmed"), (0.95, 0.0, "refuted"), (0.89, 0.05, "undecided"),
        (0.9, 0.0, "undecided"),
    ],
)  # fmt: skip
def test_who_mends_a_saturated_start(squared, spread, outcome, tmp_path: Path) -> None:
    """Cross-entropy at 0.9 from the largest weights, against a squared error of so much."""
    parts = []
    for scale in (1, 100):
        parts += [networks(head, 0.9, **{"initializer.sigma_w": scale}) for head in ("bce", "ce")]
        for head in ("se on sigmoid", "se"):
            value = squared if scale == 100 else 0.95
            parts.append(networks(head, value, spread=spread, **{"initializer.sigma_w": scale}))
    findings = found(SaturatedStart, table(*parts), tmp_path)
    assert [verdict.outcome for verdict in findings.verdicts[:2]] == [outcome] * 2
    assert "From σ_w = 100" in findings.verdicts[0].sentence


# -- label_noise, class_imbalance, few_samples -----------------------------------------------------


def _along(
    axis: str, values: tuple[float, ...], heads: dict[str, tuple[float, ...]], **more: Any
) -> DataFrame:
    return table(*(
        networks(head, accuracy, **{axis: value}, **more)
        for head, reached in heads.items() for value, accuracy in zip(values, reached, strict=True)
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("squared", "absolute", "outcome"),
    [(0.7, 0.93, "confirmed"), (0.7, 0.75, "refuted"), (0.9, 0.93, "refuted")],
)
def test_who_tolerates_wrong_labels(squared, absolute, outcome, tmp_path: Path) -> None:
    """At 40 %: absolute error must lead cross-entropy (0.7) by 0.12, and squared error must not."""
    heads = {"ce": (0.97, 0.7), "se": (0.97, squared), "mae": (0.96, absolute)}
    rows = _along("data.label_noise", (0.0, 0.4), heads, **{"optimizer.lr": 0.003})
    assert found(LabelNoise, rows, tmp_path).verdicts[0].outcome == outcome


def test_another_share_of_wrong_labels_is_measured_and_one_seed_decides_nothing(
    tmp_path: Path,
) -> None:
    """The claim is about 40 % and needs an interval."""
    heads = {"ce": (0.97, 0.7), "se": (0.97, 0.7), "mae": (0.96, 0.93)}
    rate = {"optimizer.lr": 0.003}
    elsewhere = _along("data.label_noise", (0.0, 0.3), heads, **rate)
    assert found(LabelNoise, elsewhere, tmp_path).verdicts[0].outcome == "measured"
    alone = _along("data.label_noise", (0.0, 0.4), heads, seeds=1, **rate)
    assert found(LabelNoise, alone, tmp_path).verdicts[0].outcome == "undecided"


@pytest.mark.parametrize(
    ("study", "axis", "values"),
    [
        (ClassImbalance, "data.imbalance", (1.0, 100.0)),
        (FewSamples, "data.train_examples", (20, 1000)),
    ],
)
@pytest.mark.parametrize(
    ("squared", "spread", "outcome"),
    [(0.76, 0.0, "confirmed"), (0.85, 0.0, "refuted"), (0.77, 0.03, "undecided")],
)
def test_a_tie_at_every_point_of_an_axis(
    study, axis, values, squared, spread, outcome, tmp_path: Path
) -> None:
    """Cross-entropy 0.75 at the hard end: a rival within 0.02, beyond it, or scattered across."""
    rows = pd.concat([
        _along(axis, values, {"ce": (0.75, 0.97), "raw": (0.6, 0.95)}),
        _along(axis, values, {"se": (squared, 0.97)}, spread=spread),
    ])  # fmt: skip
    assert found(study, rows, tmp_path).verdicts[0].outcome == outcome


def test_a_tie_to_the_last_digit_puts_nobody_ahead(tmp_path: Path) -> None:
    """Equal accuracies with 20 examples, a lead of either side with more."""
    heads = {"ce": (0.75, 0.9, 0.95), "se": (0.75, 0.85, 0.97)}
    rows = _along("data.train_examples", (20, 300, 1000), heads)
    sentence = found(FewSamples, rows, tmp_path).verdicts[1].sentence
    assert sentence.endswith("with 300 examples, and behind with 1000.")


def test_networks_of_one_seed_are_one_draw(tmp_path: Path) -> None:
    """Three seeds at two widths are three draws: 0.70, 0.71 and 0.72, whatever the widths add."""
    parts = []
    for width, more in ((16, -0.1), (64, 0.1)):
        for row in networks("ce", 0.7, seeds=3, **{"model.width": width, "data.imbalance": 100.0}):
            accuracy = 0.7 + 0.01 * row["seed"] + more
            parts.append(row | {"test/accuracy": accuracy, "val/accuracy": accuracy})
    findings = found(ClassImbalance, DataFrame(parts), tmp_path)
    assert (
        "cross entropy 0.71 [0.685, 0.735], worst class no value" in findings.verdicts[2].sentence
    )
    (row,) = findings.tables[0].frame.to_dict("records")
    assert row["seeds"] == 3


def test_what_each_head_loses_to_rare_classes(tmp_path: Path) -> None:
    """From equal classes to a hundredfold difference, seed by seed."""
    rows = _along("data.imbalance", (1.0, 100.0), {"ce": (0.97, 0.75), "se": (0.97, 0.8)})
    sentence = found(ClassImbalance, rows, tmp_path).verdicts[1].sentence
    assert "cross entropy 0.22 [0.22, 0.22], half squared error on softmax 0.17" in sentence


# -- mnist1d_baselines -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("linear", "raw", "expected"),
    [
        (0.316, 0.60, ["confirmed", "confirmed"]),
        (0.35, 0.64, ["refuted", "refuted"]),
        (0.332, 0.63, ["undecided", "undecided"]),
    ],
)
def test_the_published_mnist1d_accuracies(linear, raw, expected, tmp_path: Path) -> None:
    """A linear test accuracy off by 1.5 points, or a lead over raw squared error below 1.5, is not it."""
    spread = 0.01 if expected[0] == "undecided" else 0.0
    rows = table(
        (row | {"train/accuracy": 0.372} for row in networks(
            "ce", linear, spread=spread, data="mnist1d", **{"model.depth": 0})),
        networks("raw", 0.22, data="mnist1d", **{"model.depth": 0}),
        networks("ce", 0.645, data="mnist1d", **{"model.depth": 2}),
        networks("raw", raw, spread=spread, data="mnist1d", **{"model.depth": 2}),
    )  # fmt: skip
    findings = found(MNIST1DBaselines, rows, tmp_path)
    assert outcomes(findings) == expected
    printed = {
        (row["network"], row["head"]): row for row in findings.tables[0].frame.to_dict("records")
    }
    test = printed["linear", "cross entropy"]["theirs, test %"]
    assert f"of the test part (published {test})" in findings.verdicts[0].sentence
    assert "of the test part (other code 22)" in findings.verdicts[0].sentence


# -- calibration_after_temperature -----------------------------------------------------------------


def _answering(monkeypatch: pytest.MonkeyPatch, mendable: bool) -> None:
    """Answers five times too sure, or sure where they are wrong, which no temperature mends."""

    def answers(row: dict[str, Any], folder: Path, part: str = "test") -> Answers:
        draw = torch.Generator().manual_seed(int(row["seed"]) + 100 * (part == "val"))
        z = torch.randn(1, 4000, 5, generator=draw, dtype=torch.float64)
        truth = torch.multinomial(z[0].softmax(-1), 1, generator=draw)[:, 0]
        if not mendable:
            sure = torch.arange(4000) < 2000
            z[0, sure] *= 20
            truth = torch.where(sure, z[0].argmin(-1), z[0].argmax(-1))
        return Answers(5 * z, truth, CrossEntropy())

    monkeypatch.setattr(calibration_after_temperature, "answers_of", answers)


@pytest.mark.parametrize(("mendable", "outcome"), [(True, "confirmed"), (False, "refuted")])
def test_what_one_temperature_mends(mendable, outcome, monkeypatch, tmp_path: Path) -> None:
    """The scale that was put in is found again; errors that are surest are beyond repair."""
    _answering(monkeypatch, mendable)
    rows = table(networks("ce", 0.6), networks("raw", 0.6))
    calibrated, spread, *_ = found(CalibrationAfterTemperature, rows, tmp_path).verdicts
    assert calibrated.outcome == outcome
    assert "in calibration error from 0 to 0" in spread.sentence, (
        "both heads were given the same answers"
    )
    if mendable:
        before = found(CalibrationAfterTemperature, rows, tmp_path).tables[0].frame
        np.testing.assert_allclose(before["T"], 5.0, rtol=0.1)


def _by_hand(p: np.ndarray, right: np.ndarray, bins: int) -> float:
    """ECE as a loop over the bins."""
    edges = np.linspace(0, 1, bins + 1)
    missed = 0.0
    for low, high in itertools.pairwise(edges):
        mine = (p >= low) & ((p < high) | (high == 1))
        missed += abs(right[mine].sum() - p[mine].sum())
    return missed / len(p)


def test_calibrated_answers_have_the_calibration_error_of_drawn_ones() -> None:
    """Labels drawn 4,000 times from the confidences themselves: the mean ECE to four standard errors."""
    draw = np.random.default_rng(0)
    z = torch.from_numpy(3 * draw.standard_normal((1, 120, 4)))
    expected = ece_by_chance(Answers(z, torch.zeros(120, dtype=torch.long), CrossEntropy()), 15)
    p = np.exp(z[0].numpy()).max(-1) / np.exp(z[0].numpy()).sum(-1)
    simulated = np.array([_by_hand(p, draw.random(120) < p, 15) for _ in range(4000)])
    assert abs(simulated.mean() - expected) < 4 * simulated.std() / np.sqrt(4000)
    assert expected > 0.04


@pytest.mark.parametrize("edge", range(8, 15))
def test_chance_and_the_metric_put_an_answer_into_the_same_bin(edge: int) -> None:
    """The mean of the metric over everything that may be right, at confidences on an edge of the bins."""
    z = torch.tensor([[[edge, 15 - edge], [edge - 0.4, 15.4 - edge]]], dtype=torch.float64)
    loss, expected = HalfSquaredError("identity"), 0.0
    for outcome in itertools.product((0, 1), repeat=2):
        answers = Answers(z, torch.tensor(outcome), loss)
        share = torch.where(answers.right, answers.confidence, 1 - answers.confidence).prod()
        expected += float(share * ECE()(answers))
    assert ece_by_chance(answers) == pytest.approx(expected, rel=1e-12)


def test_after_a_temperature_the_error_is_set_beside_that_of_chance(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Answers that one temperature mends end at what calibrated ones measure, and the report says it."""
    _answering(monkeypatch, mendable=True)
    findings = found(CalibrationAfterTemperature, table(networks("ce", 0.6)), tmp_path)
    (row,) = findings.tables[0].frame.to_dict("records")
    assert row["ece after"] == pytest.approx(row["ece by chance"], rel=0.5)
    assert f"{row['ece by chance']:.3g} is what it measures on average" in (
        findings.verdicts[0].sentence
    )


def test_networks_without_checkpoints_have_no_temperature(tmp_path: Path) -> None:
    """Nothing can be asked."""
    rows = table(networks("ce", 0.6), networks("raw", 0.6))
    assert outcomes(found(CalibrationAfterTemperature, rows, tmp_path)) == ["undecided"]


@pytest.mark.parametrize("trained", [torch.float32, torch.float64, torch.bfloat16])
def test_a_network_is_asked_as_it_was_trained(tmp_path: Path, trained: torch.dtype) -> None:
    """Its width follows from its parameters: 7,510 are what 64-100-10 has, whatever model.width says.

    Its answers are those of its own floats, and of float32 after training in half precision.
    """
    row = {
        "cell": "c", "data": "digits", "activation": "tanh", "loss": "cross_entropy",
        "model.depth": 1, "model.width": 32, "model.parameters": 7510.0,
    }  # fmt: skip
    net = MLP((64, 100, 10), Tanh(), Glorot()).to(trained)
    (tmp_path / "cells" / "c").mkdir(parents=True)
    torch.save(net.state_dict(), tmp_path / "cells" / "c" / "checkpoint")
    answers = answers_of(row, tmp_path)
    assert answers is not None
    floats = torch.promote_types(trained, torch.float32)
    own = net.to(floats)(Digits().load().test.x.to(floats)).detach()
    assert torch.equal(answers.outputs[0], own)
