"""How does the gradient at the first layer depend on depth, for each activation and initialiser?

Measured at initialisation: log10 ||delta^[2]|| of every seed against the number of hidden layers; its
least-squares slope is the log10 of the factor that one more layer costs. Compared with mean field,
which shares no code with the measurement. Then: which of these networks learn at all.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame, concat

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.intervals import mean_interval
from experiments.reporting.powers import decade, power
from experiments.reporting.summary import bounds
from experiments.studies.reading.family import MARGIN, VANISHED, Family, families_of
from experiments.studies.reading.verdicts import NOTHING, decided, listed
from experiments.studies.vanishing_figures import figures

#: the depth the claim speaks of
CLAIMED_DEPTH = 20
#: the loss a layer that the claim speaks of
CLAIMED_LOSS = 4.0
#: measured and predicted factor agree when their ratio is this close to 1
TOLERANCE = 0.05


@final
class VanishingGradient(Study):
    """Depth x activation x initialiser x seed."""

    question: ClassVar[str] = (
        "How does the gradient at the first layer depend on depth, for each activation and "
        "initialiser?"
    )
    claim: ClassVar[str] = (
        f"With sigmoid and Glorot's initialisation each layer divides the gradient by about "
        f"{CLAIMED_LOSS:g} or more, and {CLAIMED_DEPTH} layers cannot be trained; with ReLU and "
        "He's, and with tanh at its critical scale, they can. Mean field predicts every factor."
    )
    refuted_by: ClassVar[str] = (
        f"An interval of sigmoid's loss a layer that lies below {CLAIMED_LOSS:g}, or sigmoid "
        f"networks of depth {CLAIMED_DEPTH} that learn, or ReLU and tanh networks that do not; "
        f"a fitted factor whose interval is more than {TOLERANCE:.0%} off the predicted one."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        families = families_of(results, ledger)
        if not families:
            return NOTHING
        depths = {depth for family in families for depth in family.depths}
        depth = CLAIMED_DEPTH if CLAIMED_DEPTH in depths else max(depths)
        verdicts = (
            _pair(families, depth, "sigmoid", "glorot", trains=False),
            _pair(families, depth, "relu", "he", trains=True),
            _pair(families, depth, "tanh", "critical", trains=True),
            _agreement(families),
            *_slopes(families),
            _kinds(families),
        )
        tables = (_by_family(families, depth), _by_depth(families))
        return Findings(verdicts, tables, figures(families, ledger, folder, depth))


# -- verdicts --------------------------------------------------------------------------------------


def _accuracy(family: Family, depth: int) -> str:
    share = family.learnt(depth)
    if not family.chance > 0:
        return "whether it learns is not known, for want of a chance level"
    if not share.seeds:
        return f"no cell of depth {depth} has come to an end"
    shallow = "" if depth >= CLAIMED_DEPTH else f" (the claim is about depth {CLAIMED_DEPTH})"
    accuracy = mean_interval(family.at(depth, "accuracy"))
    return (
        f"at depth {depth} validation accuracy is {accuracy}, chance {family.chance:.2g}, and "
        f"{share.value * share.seeds:.0f} of {share.seeds} seeds learn{shallow}"
    )


def _pair(
    families: Sequence[Family], depth: int, activation: str, initializer: str, trains: bool
) -> Verdict:
    """The claim about one activation and initialiser: it trains at that depth, or a layer costs too much."""
    # one family, or one for every value of a further axis such as the width
    mine = [f for f in families if (f.activation, f.initializer) == (activation, initializer)]
    if not mine:
        sentence = f"No cell of {activation} with {initializer} has come to an end."
        return Verdict(sentence, "undecided")
    parts: list[str] = []
    known: list[bool | None] = [True if depth >= CLAIMED_DEPTH else None]
    for family in mine:
        share = family.learnt(depth)
        if trains:
            factor = f"multiplies the first layer's gradient by {family.gain}"
            known.append(share.within(0.5, 1.0))
        else:
            loss = family.gain.map(lambda gain: 1 / gain)
            factor = f"divides the first layer's gradient by {loss}"
            known += [loss.within(CLAIMED_LOSS, np.inf), share.within(0.0, 0.5)]
        parts.append(f"{family.label}: each layer {factor}; {_accuracy(family, depth)}")
    return Verdict(". ".join(parts) + ".", decided(*known))


def _agreement(families: Sequence[Family]) -> Verdict:
    """Every fitted factor against the predicted one."""
    ratios = {family.label: family.gain_ratio for family in families}
    agrees = {label: ratio.within(1 - TOLERANCE, 1 + TOLERANCE) for label, ratio in ratios.items()}
    off = [label for label, inside in agrees.items() if inside is False]
    undecided = [label for label, inside in agrees.items() if inside is None]
    right = len(families) - len(off) - len(undecided)
    sentence = (
        f"Mean field predicts the factor a layer to within {TOLERANCE:.0%} for {right} of "
        f"{len(families)} combinations"
    )
    if off:
        parts = [f"{label} ({ratios[label]})" for label in off]
        sentence += f"; measured over predicted is further off for {listed(parts)}"
    if undecided:
        sentence += f"; not decided: {listed(undecided)}"
    return Verdict(sentence + ".", decided(*agrees.values()))


def _slopes(families: Sequence[Family]) -> list[Verdict]:
    """The fitted slope of ln ||delta^[2]||^2 a layer against ln chi, its limit at large depth."""
    known = [f for f in families if np.isfinite([f.log_chi, f.log_slope.value]).all()]
    if not known:
        return []
    off = [abs(f.log_slope.value - f.log_chi) for f in known]
    worst = known[int(np.argmax(off))]
    sentence = (
        f"The fitted slope of ln ‖δ‖² a layer differs from ln χ at the fixed point by "
        f"{np.median(off):.2g} in the median of {len(off)} combinations and by {max(off):.2g} at most "
        f"({worst.label}: {worst.log_slope} against {round(worst.log_chi, 6):.3g})"
    )
    return [Verdict(sentence + ".", "measured")]


def _kinds(families: Sequence[Family]) -> Verdict:
    """Which gradients are only small (mathematical vanishing), and which the floats lost (arithmetic)."""
    rows = concat([family.rows for family in families])
    rows = rows[rows["first"].notna()]
    if not len(rows):
        return Verdict("No ledger: which gradients vanished cannot be told.", "undecided")
    gone = rows[rows["vanished"]]
    zero, lost = np.isneginf(gone["first"].to_numpy(np.float64)), gone["lost"].to_numpy(bool)
    alone = len(gone) - lost.sum() - zero.sum()
    sentence = (
        f"Of {len(rows)} first-layer gradients at initialisation {len(gone)} "
        f"({len(gone) / len(rows):.0%}) have vanished (norm below {decade(VANISHED)} of the output's). "
        f"The network's own floats hold {alone} of these (mathematical vanishing) and have lost "
        f"{lost.sum()}: they hold 0, or are off by more than 1 % (arithmetic vanishing). "
        f"{zero.sum()} are exactly zero, because no path is active"
    )
    finite = rows["first"][np.isfinite(rows["first"])]
    if len(finite):
        sentence += f". The smallest is {power(float(finite.min()))}"
    return Verdict(sentence + ".", "measured")


# -- tables ----------------------------------------------------------------------------------------


def _by_family(families: Sequence[Family], depth: int) -> Table:
    rows = []
    for f in families:
        accuracy = mean_interval(f.at(depth, "accuracy"))
        rows.append({
            "combination": f.label,
            "factor a layer": f.gain.value, "95 %": bounds(f.gain),
            "predicted": f.gain_predicted,
            "√χ": np.nan if f.prediction is None else f.prediction.limit,
            f"log10 ‖δ‖, depth {depth}": mean_interval(f.at(depth, "first")).value,
            f"accuracy, depth {depth}": accuracy.value, "95 % ": bounds(accuracy),
            "trains to depth": f.trains_to,
        })  # fmt: skip
    caption = (
        "Factor a layer: what one more hidden layer does to the first layer's gradient norm at "
        "initialisation, fitted over all depths. Predicted: the same fit through mean field's norms "
        "at these depths; √χ: where it tends to far from the input. Trains to depth: at this and all "
        f"smaller depths at least half the seeds reach validation accuracy chance + {MARGIN:g}."
    )
    return Table("What a layer costs, and how deep it trains", caption, DataFrame(rows))


def _by_depth(families: Sequence[Family]) -> Table:
    rows = []
    for f in families:
        for depth in f.depths:
            first, accuracy = (mean_interval(f.at(depth, key)) for key in ("first", "accuracy"))
            share = f.learnt(depth)
            rows.append({
                "combination": f.label, "depth": depth, "seeds": share.seeds,
                "log10 ‖δ‖, first layer": first.value, "95 %": bounds(first),
                "validation accuracy": accuracy.value, "95 % ": bounds(accuracy),
                "share of seeds that learn": share.value,
                "vanished": _share(f.at(depth, "vanished")), "lost by floats": _share(f.at(depth, "lost")),
            })  # fmt: skip
    caption = (
        "Means over seeds with their intervals; a diverged seed counts as one that does not learn. "
        f"Vanished: share of seeds whose first-layer norm is below {decade(VANISHED)} of the output's. Lost "
        "by floats: share of seeds whose norm the network's own floats hold as 0 or off by more than 1 %."
    )
    return Table("Every depth", caption, DataFrame(rows))


def _share(seeds: Float64[ndarray, " seeds"]) -> float:
    return float(seeds.mean()) if len(seeds) else float("nan")
