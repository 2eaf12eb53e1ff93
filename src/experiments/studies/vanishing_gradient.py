"""How does the gradient at the first layer depend on depth, for each activation and initialiser?

Measured at initialisation: log10 ||delta^[2]|| of every seed against the number of hidden layers; its
least-squares slope is the log10 of the factor that one more layer costs. Compared with mean field,
which shares no code with the measurement. Then: which of these networks learn at all.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.study import Findings, Outcome, Study, Table, Verdict
from experiments.reporting.intervals import mean_interval
from experiments.reporting.powers import power
from experiments.reporting.summary import bounds
from experiments.studies.reading import MARGIN, PAIR, Family, families
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
        found = families(results, ledger)
        if not found:
            return Findings(
                (Verdict("No cell has come to an end, so nothing can be said.", "undecided"),)
            )
        depths = {depth for family in found for depth in family.depths}
        depth = CLAIMED_DEPTH if CLAIMED_DEPTH in depths else max(depths)
        verdicts = (
            _fails(found, depth),
            _trains(found, depth, "relu", "he"),
            _trains(found, depth, "tanh", "critical"),
            _agreement(found),
            _kinds(found),
        )
        tables = (_by_family(found, depth), _by_depth(found))
        return Findings(verdicts, tables, figures(found, ledger, folder, depth))


# -- verdicts --------------------------------------------------------------------------------------


def _all(*known: bool | None) -> Outcome:
    """One False refutes, one unknown leaves open."""
    if False in known:
        return "refuted"
    return "undecided" if None in known else "confirmed"


def _member(found: Sequence[Family], activation: str, initializer: str) -> Family | None:
    wanted = (activation, initializer)
    return next((f for f in found if tuple(f.rows[list(PAIR)].iloc[0]) == wanted), None)


def _absent(activation: str, initializer: str) -> Verdict:
    return Verdict(f"No cell of {activation} with {initializer} has come to an end.", "undecided")


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


def _fails(found: Sequence[Family], depth: int) -> Verdict:
    """Sigmoid with Glorot: the loss a layer, and no training at the claimed depth."""
    family = _member(found, "sigmoid", "glorot")
    if family is None:
        return _absent("sigmoid", "glorot")
    loss = family.gain.map(lambda gain: 1 / gain)
    sentence = (
        f"{family.label}: each layer divides the first layer's gradient by {loss}; "
        f"{_accuracy(family, depth)}."
    )
    deep = True if depth >= CLAIMED_DEPTH else None
    large = loss.within(CLAIMED_LOSS, np.inf)
    return Verdict(sentence, _all(deep, large, family.learnt(depth).within(0.0, 0.5)))


def _trains(found: Sequence[Family], depth: int, activation: str, initializer: str) -> Verdict:
    """A healthy pair: it learns at the claimed depth."""
    family = _member(found, activation, initializer)
    if family is None:
        return _absent(activation, initializer)
    sentence = (
        f"{family.label}: each layer multiplies the first layer's gradient by {family.gain}; "
        f"{_accuracy(family, depth)}."
    )
    deep = True if depth >= CLAIMED_DEPTH else None
    return Verdict(sentence, _all(deep, family.learnt(depth).within(0.5, 1.0)))


def _agreement(found: Sequence[Family]) -> Verdict:
    """Every fitted factor against the predicted one."""
    ratios = {family.label: family.gain_ratio for family in found}
    agrees = {label: ratio.within(1 - TOLERANCE, 1 + TOLERANCE) for label, ratio in ratios.items()}
    off = [label for label, inside in agrees.items() if inside is False]
    open_ = [label for label, inside in agrees.items() if inside is None]
    inside = len(found) - len(off) - len(open_)
    sentence = (
        f"Mean field predicts the factor a layer to within {TOLERANCE:.0%} for {inside} of "
        f"{len(found)} combinations"
    )
    if off:
        parts = ", ".join(f"{label} ({ratios[label]})" for label in off)
        sentence += f"; measured over predicted is further off for {parts}"
    if open_:
        sentence += f"; not decided: {', '.join(open_)}"
    return Verdict(sentence + ".", _all(*agrees.values()))


def _kinds(found: Sequence[Family]) -> Verdict:
    """Arithmetic vanishing (the float lost it) against mathematical vanishing (it is that small)."""
    true, held = (
        np.concatenate([family.rows[key].to_numpy(np.float64, na_value=np.nan) for family in found])
        for key in ("first", "first_float")
    )
    known = ~np.isnan(true)
    if not known.any():
        return Verdict("No ledger: which gradients vanished cannot be told.", "undecided")
    true, held = true[known], held[known]
    zero = np.isneginf(true)
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = ~zero & ~(np.abs(np.log10(held) - true) < np.log10(1.01))
    sentence = (
        f"Of {len(true)} first-layer gradients at initialisation {zero.sum()} are exactly zero "
        f"(mathematical vanishing) and {lost.sum()} are off by more than 1 % in the network's own "
        "floats though their true size is known (arithmetic vanishing)"
    )
    if not zero.all():
        sentence += f"; the smallest is {power(float(true[~zero].min()))}"
    return Verdict(sentence + ".", "measured")


# -- tables ----------------------------------------------------------------------------------------


def _by_family(found: Sequence[Family], depth: int) -> Table:
    rows = []
    for f in found:
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


def _by_depth(found: Sequence[Family]) -> Table:
    rows = []
    for f in found:
        for depth in f.depths:
            first, accuracy = (mean_interval(f.at(depth, key)) for key in ("first", "accuracy"))
            share = f.learnt(depth)
            rows.append({
                "combination": f.label, "depth": depth, "seeds": share.seeds,
                "log10 ‖δ‖, first layer": first.value, "95 %": bounds(first),
                "validation accuracy": accuracy.value, "95 % ": bounds(accuracy),
                "share of seeds that learn": share.value,
            })  # fmt: skip
    caption = "Means over seeds with bootstrap intervals; a diverged seed counts as one that does not learn."
    return Table("Every depth", caption, DataFrame(rows))
