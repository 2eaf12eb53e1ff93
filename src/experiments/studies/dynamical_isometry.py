"""Are all directions carried through a deep network alike? Orthogonal against Gaussian weights.

chi = 1 keeps the mean squared singular value of the Jacobian at 1, whatever the depth; it says nothing about
how far they scatter. With Gaussian weights their spread grows with depth, so some directions explode and most
vanish. Orthogonal weights keep a linear network's singular values at exactly 1, and a tanh network's
close together where its units stay nearly linear; ReLU's dead units forbid it (Pennington, Schoenholz &
Ganguli, 2017). Measured on the drawn networks, before training; and whether it helps training.

The two kinds of weights differ in the first layer too: from n_1 inputs to n > n_1 units orthogonal columns
have Var W = 1 / n, Gaussian weights 1 / n_1, so the signal starts shorter. The report says what that does.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame
from scipy.stats import binom

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.configurations import text
from experiments.reporting.intervals import mean_interval, paired_difference
from experiments.reporting.summary import bounds
from experiments.studies.isometry_figures import figures
from experiments.studies.reading.family import DEPTH
from experiments.studies.reading.grouping import grouped
from experiments.studies.reading.rooms import activation_of, dataset_of
from experiments.studies.reading.spectra import EXAMPLES, NONE, Spectrum, spectra_of
from experiments.studies.reading.verdicts import NOTHING, decided, listed, over, unanswered
from experiments.theory import finite_width

#: measured over predicted spread, mean over seeds
LOWEST, HIGHEST = 0.75, 1.33
#: a spread that is called isometry, at any depth
ISOMETRY = 1.0
LOSS = "train/loss"
KINDS = {"gaussian": "Gaussian", "orthogonal": "orthogonal"}
#: log10: a singular value this far below the largest is 0 to the rounding of a dense product
ZERO = -12.0
#: a network whose loss stays above this share of that of guessing has hardly trained
HARDLY = 0.8
#: starts count as alike if they change the predicted spread by less than this share
ALIKE = 0.01


@final
class DynamicalIsometry(Study):
    """Activation x orthogonal or Gaussian weights x depth x seed."""

    question: ClassVar[str] = (
        "Does a deep network carry all directions alike, and do orthogonal weights help?"
    )
    claim: ClassVar[str] = (
        "With Gaussian weights the spread (variance over squared mean) of the Jacobian's squared "
        "singular values grows in proportion to depth. With orthogonal weights it is 0 for a linear "
        f"network, stays below {ISOMETRY:g} for tanh at every depth, and still grows for ReLU. Free "
        f"probability predicts every spread within [{LOWEST:g}, {HIGHEST:g}] times."
    )
    refuted_by: ClassVar[str] = (
        "A mean spread whose interval lies outside these bounds; a tanh network with orthogonal "
        f"weights whose spread exceeds {ISOMETRY:g}; a ReLU network whose spread does not grow with "
        "depth."
    )

    def findings(self, results: DataFrame, ledger: DataFrame, folder: Path) -> Findings:
        rows = over(results)
        if not len(rows):
            return NOTHING
        spectra = spectra_of(rows)
        if not spectra:
            return unanswered(
                "No cell has two hidden layers and options of this package, so no network can be drawn again."
            )
        verdicts = [
            _predicted(spectra), *_orthogonal(spectra), *_starts(spectra), *_zeros(spectra),
            *_training(rows, spectra),
        ]  # fmt: skip
        return Findings(tuple(verdicts), (_table(spectra),), figures(spectra, rows, folder))


# -- verdicts --------------------------------------------------------------------------------------


def _place(s: Spectrum) -> str:
    return f"{text(s.activation)}, {s.ensemble}, depth {s.depth}"


def _is_none(s: Spectrum) -> bool:
    return bool(s.spread.max() < NONE)


def _spread(s: Spectrum) -> str:
    return "0 to rounding" if _is_none(s) else str(mean_interval(s.spread))


def _predicted(spectra: Sequence[Spectrum]) -> Verdict:
    """Every mean spread against free probability."""
    judged = [s for s in spectra if s.spread_predicted > NONE]
    if not judged:
        return Verdict("No spread is predicted here, so theory cannot be judged.", "undecided")
    ratios = {_place(s): mean_interval(s.spread / s.spread_predicted) for s in judged}
    known = {place: ratio.within(LOWEST, HIGHEST) for place, ratio in ratios.items()}
    values = [ratio.value for ratio in ratios.values()]
    sentence = (
        f"Measured over predicted spread lies between {min(values):.3g} and {max(values):.3g}; "
        f"{list(known.values()).count(True)} of {len(judged)} intervals are inside "
        f"[{LOWEST:g}, {HIGHEST:g}]"
    )
    others = [f"{place} ({ratios[place]})" for place, inside in known.items() if not inside]
    if others:
        sentence += f"; not so: {listed(others, most=3)}"
    return Verdict(sentence + ".", decided(*known.values()))


def _orthogonal(spectra: Sequence[Spectrum]) -> list[Verdict]:
    """What orthogonal weights do at the greatest depth, by activation."""
    verdicts = []
    for name, same in grouped(spectra, lambda s: s.activation).items():
        mine = sorted(same, key=lambda s: s.depth)
        gaussian, orthogonal = ([s for s in mine if s.ensemble == kind] for kind in KINDS)
        if not orthogonal:
            continue
        first, last = orthogonal[0], orthogonal[-1]
        sentence = f"{text(name)}, orthogonal: the spread is "
        if all(_is_none(s) for s in orthogonal):
            sentence += "0 to rounding at every depth"
        else:
            sentence += f"{_spread(last)} at depth {last.depth}"
            if last.depth > first.depth:
                sentence += f" and {_spread(first)} at depth {first.depth}"
        other = next((s for s in gaussian if s.depth == last.depth), None)
        if other is not None:
            sentence += f"; with Gaussian weights {_spread(other)} at depth {other.depth}"
        verdicts.append(Verdict(sentence + ".", decided(*_as_claimed(name, orthogonal))))
    return verdicts or [Verdict("No network with orthogonal weights is here.", "undecided")]


def _as_claimed(name: str, line: Sequence[Spectrum]) -> list[bool | None]:
    spreads = [mean_interval(s.spread) for s in line]
    if name == "identity":
        return [bool(s.value < NONE) if s.seeds else None for s in spreads]
    if name == "tanh":
        return [s.within(0.0, ISOMETRY) for s in spreads]
    if name == "relu" and len(line) > 1:
        growth = mean_interval(line[-1].spread).map(lambda s: s - spreads[0].high)
        return [growth.within(1e-9, np.inf)]
    return [None]


def _starts(spectra: Sequence[Spectrum]) -> list[Verdict]:
    """What the shorter start of orthogonal networks does to their spread, by theory."""
    parts = []
    for name, same in grouped(spectra, lambda s: s.activation).items():
        deepest = max(s.depth for s in same)
        pair = {s.ensemble: s for s in same if s.depth == deepest}
        if len(pair) < 2 or any(s.q is None for s in pair.values()):
            continue
        q, mine = pair["gaussian"].q or (), pair["orthogonal"]
        activation = activation_of(mine.row)
        alike = sum(
            finite_width.spectrum_spread(activation, length, 1, "orthogonal") for length in q
        )
        if abs(alike - mine.spread_predicted) > ALIKE * max(alike, NONE):
            parts.append(
                f"{text(name)}: E z² is {(mine.q or (math.nan,))[0]:.3g} at the first factor with orthogonal "
                f"weights and {q[0]:.3g} with Gaussian ones; from the Gaussian start the predicted "
                f"orthogonal spread at depth {deepest} is {alike:.3g}, not {mine.spread_predicted:.3g}"
            )
    if not parts:
        return []
    sentence = (
        "The two kinds do not start alike, since the first layer widens: orthogonal columns have the "
        f"smaller variance there. {'; '.join(parts)}. The losses below are compared from these starts too."
    )
    return [Verdict(sentence, "measured")]


def _zeros(spectra: Sequence[Spectrum]) -> list[Verdict]:
    """The share of ReLU's singular values that are 0: more than half, at a finite width."""
    mine = sorted((s for s in spectra if s.activation == "relu"), key=lambda s: s.depth)
    parts = []
    for depth, kinds in grouped(mine, lambda s: s.depth).items():
        shares = [
            f"{(s.log10 < s.log10[..., :1] + ZERO).mean():.3g} ({KINDS[s.ensemble]})" for s in kinds
        ]
        n = kinds[0].log10.shape[-1]
        # E of the smallest of L counts is the sum over k of P(count > k)^L
        least = float((binom.sf(np.arange(n), n, 0.5) ** kinds[0].factors).sum())
        parts.append(f"depth {depth}: {listed(shares)}, expected {1 - least / n:.3g}")
    if not parts:
        return []
    sentence = (
        f"relu, share of singular values that are 0 to rounding: {'; '.join(parts)}. At infinite width it "
        "is 0.5, as drawn dashed; here the rank is the smallest number of active units over the layers, "
        "Bin(n, 1/2) in each. Deep products of Gaussian weights also have values that small which are not 0."
    )
    return [Verdict(sentence, "measured")]


def _training(rows: DataFrame, spectra: Sequence[Spectrum]) -> list[Verdict]:
    """The training loss reached with either kind of weights at the greatest depth, paired by seed."""
    if LOSS not in rows:
        return []
    parts = []
    kinds = {(s.initializer, s.ensemble) for s in spectra}
    for name, same in grouped(spectra, lambda s: s.activation).items():
        deepest = max(s.depth for s in same)
        mine = rows[(rows["activation"] == name) & (rows[DEPTH] == deepest)]
        both = {
            kind: mine[mine["initializer"].isin([i for i, k in kinds if k == kind])]
            for kind in KINDS
        }
        parts.append(f"{text(name)}: {', '.join([_saved(both), *_diverged(both)])}")
    sentence = (
        "Training loss that orthogonal weights save at the greatest depth, same seeds and steps. "
        f"{'; '.join(parts)}."
    )
    return [Verdict(sentence, "measured")]


def _saved(both: dict[str, DataFrame]) -> str:
    """The paired difference, what both kinds end at, and whether that is any better than guessing."""
    ends = {
        kind: mine[mine["status"] == "finished"].groupby("seed")[LOSS].mean()
        for kind, mine in both.items()
    }
    wide = DataFrame(ends).dropna()
    if not len(wide):
        return "no seed finished with both kinds"
    gaussian, orthogonal = (wide[kind].to_numpy(np.float64) for kind in KINDS)
    last = mean_interval(gaussian).value, mean_interval(orthogonal).value
    sentence = f"{paired_difference(gaussian, orthogonal)}, from {last[0]:.3g} to {last[1]:.3g}"
    row = both["gaussian"].iloc[0].to_dict()
    guessing = math.log(dataset_of(row).outputs) if row["loss"] == "cross_entropy" else math.nan
    if min(last) > HARDLY * guessing:
        sentence += f" (guessing is {guessing:.3g}: neither trains, so this says nothing)"
    return sentence


def _diverged(both: dict[str, DataFrame]) -> list[str]:
    """How many runs of either kind ended in numbers that are not finite."""
    return [
        f"{int((mine['status'] == 'diverged').sum())} of {len(mine)} {KINDS[kind]} runs diverged"
        for kind, mine in both.items()
        if (mine["status"] == "diverged").any()
    ]


# -- table -----------------------------------------------------------------------------------------


def _table(spectra: Sequence[Spectrum]) -> Table:
    rows = []
    laws = {(s.initializer, s.ensemble) for s in spectra}
    several = len(laws) > len({kind for _, kind in laws})
    for s in spectra:
        spread, top = mean_interval(s.spread), mean_interval(s.largest)
        predicted = s.spread_predicted > NONE
        ratio = f"{spread.value / s.spread_predicted:.3g}" if predicted else "–"
        rows.append({
            "activation": text(s.activation), "weights": KINDS[s.ensemble],
            **({"initializer": text(s.initializer)} if several else {}),
            "depth": s.depth, "seeds": len(s.spread),
            "spread": 0.0 if _is_none(s) else spread.value,
            "95 %": "0 to rounding" if _is_none(s) else bounds(spread),
            "predicted": "unknown" if s.q is None else f"{s.spread_predicted if predicted else 0:.4g}",
            "measured / predicted": ratio,
            "largest over mean": top.map(lambda v: 10.0**v).value,
        })  # fmt: skip
    caption = (
        "Spread: variance over squared mean of the squared singular values of the Jacobian from the first "
        f"hidden layer's activations to the last one's, before training, mean over the first {EXAMPLES} "
        "training examples. Predicted: free probability at infinite width. Largest over mean: the largest "
        "singular value over their root mean square."
    )
    return Table("Singular values of the Jacobian", caption, DataFrame(rows))
