"""How many sigmoid layers can each loss train?

A sigmoid layer multiplies the gradient by about 1/5. A squared error behind sigmoids has one such factor more
than the cross-entropy, a (1 - a) at the output: before training its gradient at the first layer is that of
cross-entropy with one more hidden layer, and at the same learning rate its wall stands lower. That it stands
lower by one layer does not follow: training moves the outputs, and a (1 - a) with them.

References:
    Nielsen (2015), chapters 3 and 5: the rate, the start (W ~ N(0, 1/n), b ~ N(0, 1)), 30 neurons a layer.
"""

from pathlib import Path
from typing import ClassVar, NamedTuple, final

import numpy as np
from pandas import DataFrame

from experiments.activations import Sigmoid
from experiments.core.errors import ConfigurationError
from experiments.core.interval import Interval
from experiments.core.shapes import FIRST_WEIGHT_LAYER
from experiments.core.study import Figure, Findings, Study, Table, Verdict
from experiments.reporting.figures import Axis, Curve, Panel, depth_profile
from experiments.reporting.intervals import slope_interval
from experiments.reporting.profiles import at_step
from experiments.studies.contest.along import Along
from experiments.studies.contest.contest import Contest
from experiments.studies.contest.duels import seed_means, values_of
from experiments.studies.reading.family import DEPTH, PAIR
from experiments.studies.reading.grouping import present
from experiments.studies.reading.network import plain
from experiments.studies.reading.rooms import activation_of, dataset_of, initializer_of
from experiments.studies.reading.spread import WIDTH
from experiments.studies.reading.start import start_of
from experiments.studies.reading.verdicts import NOTHING, decided, unanswered
from experiments.theory import loss_geometry, mean_field
from experiments.theory.quadrature import Quadrature

ACCURACY = "test/accuracy"
HIDDEN = "depth (hidden layers)"
CROSS, SQUARED = "binary cross entropy", "half squared error on sigmoid"
#: what the claim bounds: head, depth, mean test accuracy, and whether it lies above (+1) or below (-1)
ACCEPTED = (
    (CROSS, 3, 0.85, +1), (CROSS, 4, 0.4, -1),
    (SQUARED, 1, 0.85, +1), (SQUARED, 2, 0.7, -1), (SQUARED, 3, 0.3, -1),
)  # fmt: skip
#: test accuracy of three seeds each by other code: digits, 30 neurons a layer, 60 epochs of batches of 10
ELSEWHERE = {
    (CROSS, 1): ".973 .970 .946", (CROSS, 2): ".953 .966 .960", (CROSS, 3): ".939 .943 .949",
    (CROSS, 4): ".17 .10 .09", (SQUARED, 1): ".933 .949 .933", (SQUARED, 2): ".35 .43 .29",
    (SQUARED, 3): ".13 .10 .06", (SQUARED, 4): ".09 .10 .10",
}  # fmt: skip
#: factors agree within this ratio
AGREE = 1.15
#: a column of the rows: with a slash it is a number and no axis
GRADIENT = "start/log10_gradient"


class Factors(NamedTuple):
    """Mean field's factors on the norm of the gradient.

    Args:
        layer: of one more hidden layer.
        losses: of squared error over cross-entropy, both on sigmoids, at the output.
    """

    layer: float
    losses: float


def _bound(head: str, depth: int, bound: float, side: int) -> str:
    return f"{head} with {depth} {'above' if side > 0 else 'below'} {bound:g}"


@final
class DepthWall(Study):
    """Head x depth x seed, at one learning rate."""

    question: ClassVar[str] = "How many sigmoid layers can each loss train?"
    claim: ClassVar[str] = (
        "At one rate, cross-entropy on sigmoids trains three hidden layers of sigmoids and not four; squared "
        "error on sigmoids trains one and not two. Its gradient at the first layer is smaller by the factor "
        "of one more sigmoid layer."
    )
    refuted_by: ClassVar[str] = (
        "A mean accuracy whose interval lies on the wrong side of its bound "
        f"({', '.join(_bound(*each) for each in ACCEPTED)}); a factor between the losses, or of a "
        f"layer, whose interval is off mean field's by more than {AGREE - 1:.0%}."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        start = at_step(ledger, 0)
        first = start[start["layer"] == FIRST_WEIGHT_LAYER].set_index("cell")["log10_delta_norm"]
        contest = Contest.of(results.assign(**{GRADIENT: results["cell"].map(first)}))
        if contest is None:
            return NOTHING
        along = Along.of(contest, DEPTH)
        if along is None:
            return unanswered("No cell says how deep it is.")
        predicted = _predicted(contest.rows)
        table = along.table(
            [ACCURACY, "val/accuracy"], "Every depth", "Means over seeds with their intervals."
        )
        accuracy = along.figure(
            [ACCURACY],
            HIDDEN,
            "How deep each loss trains",
            "Test accuracy at the end. Dotted: chance.",
            levels=(("", contest.chance),),
        )
        return Findings(
            present(_walls(along), _factor(along, predicted), _one_deeper(along), _others(along)),
            (_elsewhere(along), table),
            present(accuracy, _gradients(along, predicted)),
        )


def _walls(along: Along) -> Verdict:
    """The mean accuracies of the claim, each against its bound."""
    known: list[bool | None] = []
    parts: dict[str, list[str]] = {}
    for head, depth, bound, side in ACCEPTED:
        accuracy = along.mean(head, depth, ACCURACY)
        limits = (bound, np.inf) if side > 0 else (-np.inf, bound)
        known.append(accuracy.within(*limits))
        if accuracy.seeds:
            parts.setdefault(head, []).append(f"{accuracy} with {depth}")
    if not parts:
        return Verdict(f"No {CROSS} or {SQUARED} at the depths of the claim.", "undecided")
    heads = "; ".join(f"{head} {', '.join(depths)}" for head, depths in parts.items())
    return Verdict(
        f"Mean test accuracy by hidden layers (chance {along.contest.chance:.2g}): {heads}.",
        decided(*known),
    )


def _predicted(rows: DataFrame) -> Factors | None:
    """From where the networks start; None where that is not one point, or theory says nothing of it.

    With u ~ N(0, q) the logit in the direction of the wrong answer, ``losses`` is the root of
    E[slope(u)^2] of squared error over that of cross-entropy.
    """
    of_start = [key for key in rows if key == WIDTH or str(key).split(".")[0] in PAIR]
    if not {WIDTH, *PAIR} <= set(of_start) or len(rows[of_start].drop_duplicates()) > 1:
        return None
    row = rows.iloc[0].to_dict()
    start = start_of(row) if plain(row) else None
    if start is None or not 0 < start.point.q < np.inf:
        return None
    try:
        shape = dataset_of(row).outputs, int(row[WIDTH])
    except ConfigurationError:
        return None
    activation, initializer = activation_of(row), initializer_of(row)
    sigma_w = (shape[1] * initializer.weight_variance(*shape)) ** 0.5
    sigma_b = initializer.bias_variance(*shape) ** 0.5
    q = mean_field.length_map(activation, [start.point.q], sigma_w, sigma_b)
    u, weight = (nodes.numpy() for nodes in Quadrature(Sigmoid()).nodes(q))
    heads = loss_geometry.half_squared_on_sigmoid(), loss_geometry.cross_entropy_on_sigmoid()
    squared, cross = (float((weight * head.slope(u) ** 2).sum()) for head in heads)
    return Factors(start.factor, (squared / cross) ** 0.5)


def _factor(along: Along, predicted: Factors | None) -> Verdict:
    """At the start: squared error's gradient over cross-entropy's, and a layer's factor."""
    leads = [along.lead(SQUARED, CROSS, depth, GRADIENT) for depth in along.values]
    ratios = [lead.map(lambda rise: float(10.0**rise)) for lead in leads if lead.seeds]
    layer = _a_layer(along, CROSS)
    if not ratios or not layer.seeds:
        return Verdict("No ledger of both losses: their gradients cannot be compared.", "undecided")
    spread = f"{min(r.value for r in ratios):.3g} to {max(r.value for r in ratios):.3g}"
    between, a_layer = "", ""
    inside: list[bool | None] = [None]
    if predicted is not None:
        between, a_layer = (f" (mean field: {factor:.4g})" for factor in reversed(predicted))
        inside = [_agrees(ratio, predicted.losses) for ratio in ratios]
        inside.append(_agrees(layer, predicted.layer))
    sentence = (
        f"Before training {SQUARED} has {spread} times the first-layer gradient of {CROSS} at the same "
        f"depth{between}; one more hidden layer multiplies it by {layer}{a_layer}."
    )
    if predicted is None:
        sentence += " No single prediction of mean field covers these networks."
    return Verdict(sentence, decided(*inside))


def _agrees(measured: Interval, predicted: float) -> bool | None:
    return measured.within(predicted / AGREE, predicted * AGREE)


def _one_deeper(along: Along) -> Verdict | None:
    """Whether one layer's factor is all that separates the losses once they train."""
    parts = []
    for depth in along.values:
        squared = along.mean(SQUARED, depth, ACCURACY)
        cross = along.mean(CROSS, depth + 1, ACCURACY)
        if squared.seeds and cross.seeds:
            parts.append(f"{squared} with {depth:g} beside {cross} with {depth + 1:g}")
    if not parts:
        return None
    return Verdict(
        f"{SQUARED.capitalize()} beside {CROSS} with one more hidden layer, level if one layer's factor were "
        f"all that separates them: {'; '.join(parts)}.",
        "measured",
    )


def _a_layer(along: Along, head: str) -> Interval:
    """What one more hidden layer does to the first layer's gradient."""
    mine = along.rows[along.rows["head"] == head]
    if GRADIENT not in mine or mine[GRADIENT].isna().all():
        return slope_interval(np.empty(0), np.empty((0, 0)))
    wide = mine.pivot_table(index="seed", columns=DEPTH, values=GRADIENT)
    slope = slope_interval(wide.columns.to_numpy(np.float64), wide.to_numpy(np.float64))
    return slope.map(lambda rise: float(10.0**rise))


def _others(along: Along) -> Verdict | None:
    """The heads that the claim does not mention."""
    parts = []
    for head in along.contest.heads:
        if head in (CROSS, SQUARED):
            continue
        means = [(depth, along.mean(head, depth, ACCURACY)) for depth in along.values]
        depths = [f"{mean.value:.3g} with {depth:g}" for depth, mean in means if mean.seeds]
        if depths:
            parts.append(f"{head} {', '.join(depths)}")
    if not parts:
        return None
    return Verdict(f"Test accuracy by hidden layers: {'; '.join(parts)}.", "measured")


def _elsewhere(along: Along) -> Table:
    rows = []
    for (head, depth), theirs in ELSEWHERE.items():
        ours = values_of(along.at(head, depth).sort_values("seed"), ACCURACY)
        here = " ".join(f"{value:.3f}".removeprefix("0") for value in ours)
        rows.append({"head": head, "depth": depth, "other code": theirs, "here": here or "–"})
    caption = (
        "Test accuracy of every seed. Other code: computed once with three seeds, a training part of "
        "another size and another split; here the split is fixed and seeds draw weights and order."
    )
    return Table("Beside another program's numbers", caption, DataFrame(rows))


def _gradients(along: Along, predicted: Factors | None) -> Figure | None:
    x = np.array(along.values)
    cross = np.array([along.mean(CROSS, depth, GRADIENT).value for depth in along.values])
    one_more = None
    if predicted is not None and np.isfinite(cross).all():
        one_more = cross + np.log10(predicted.layer)
    curves = []
    for head in along.contest.heads:
        samples = [seed_means(along.at(head, depth), GRADIENT) for depth in along.values]
        if any(np.isfinite(seeds).any() for seeds in samples):
            shifted = one_more if head == SQUARED else None
            curves.append(Curve(head, x, samples, shifted))
    if not curves:
        return None
    caption = "Norm of δ at the first layer with weights, before training."
    if predicted is not None and one_more is not None:
        caption += (
            f" Dashed, for {SQUARED}: the line of {CROSS} times {predicted.layer:.4g}, the factor of one "
            "hidden layer."
        )
    return depth_profile(
        [Panel("", tuple(curves))], "The first layer's gradient", caption, x=Axis(HIDDEN)
    )  # fmt: skip
