"""Are all directions carried through a deep network alike? Orthogonal against Gaussian weights.

chi = 1 keeps the mean squared singular value of the Jacobian at 1, whatever the depth; it says nothing of
the others. With Gaussian weights their spread grows with depth, so some directions explode and most
vanish. Orthogonal weights keep a linear network's singular values at exactly 1, and a tanh network's
close together where its units stay nearly linear; ReLU's dead units forbid it (Pennington, Schoenholz &
Ganguli, 2017). Measured on the drawn networks, before training; and whether it helps training.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pandas import DataFrame

from experiments.core.study import Findings, Study, Table, Verdict
from experiments.reporting.configurations import text
from experiments.reporting.intervals import mean_interval, paired_difference
from experiments.reporting.summary import bounds
from experiments.studies.isometry_figures import figures
from experiments.studies.reading import DEPTH, NOTHING, Spectrum, decided, listed, over, spectra

#: measured over predicted spread, mean over seeds
LOWEST, HIGHEST = 0.75, 1.33
#: below this the spread is rounding
NONE = 1e-6
#: a spread that is called isometry, at any depth
ISOMETRY = 1.0
LOSS = "train/loss"


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
        found = spectra(rows)
        if not found:
            missing = (
                "No cell has two hidden layers and options that are rooms: nothing to draw again."
            )
            return Findings((Verdict(missing, "undecided"),))
        verdicts = [_predicted(found), *_orthogonal(found), *_training(rows, found)]
        return Findings(tuple(verdicts), (_table(found),), figures(found, rows, folder))


# -- verdicts --------------------------------------------------------------------------------------


def _place(s: Spectrum) -> str:
    return f"{text(s.activation)}, {s.ensemble}, depth {s.depth}"


def _spread(s: Spectrum) -> str:
    interval = mean_interval(s.spread)
    return "0 to rounding" if interval.high < NONE else str(interval)


def _predicted(found: Sequence[Spectrum]) -> Verdict:
    """Every mean spread against free probability."""
    judged = [s for s in found if s.spread_predicted > NONE]
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
    open_ = [f"{place} ({ratios[place]})" for place, inside in known.items() if inside is not True]
    if open_:
        sentence += f"; not so: {listed(open_, most=3)}"
    return Verdict(sentence + ".", decided(*known.values()))


def _orthogonal(found: Sequence[Spectrum]) -> list[Verdict]:
    """What orthogonal weights do at the greatest depth, by activation."""
    verdicts = []
    for name in dict.fromkeys(s.activation for s in found):
        mine = sorted((s for s in found if s.activation == name), key=lambda s: s.depth)
        both = {
            kind: [s for s in mine if s.ensemble == kind] for kind in ("gaussian", "orthogonal")
        }
        if not both["orthogonal"]:
            continue
        first, last = both["orthogonal"][0], both["orthogonal"][-1]
        sentence = f"{text(name)}, orthogonal: the spread is {_spread(last)} at depth {last.depth}"
        if last.depth > first.depth:
            sentence += f" and {_spread(first)} at depth {first.depth}"
        gaussian = next((s for s in both["gaussian"] if s.depth == last.depth), None)
        if gaussian is not None:
            sentence += f"; with Gaussian weights {_spread(gaussian)}"
        verdicts.append(Verdict(sentence + ".", decided(*_as_claimed(name, both["orthogonal"]))))
    if not verdicts:
        return [Verdict("No network with orthogonal weights is here.", "undecided")]
    return verdicts


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


def _training(rows: DataFrame, found: Sequence[Spectrum]) -> list[Verdict]:
    """The training loss reached with either kind of weights at the greatest depth, paired by seed."""
    if LOSS not in rows:
        return []
    parts = []
    kinds = {(s.initializer, s.ensemble) for s in found}
    for name in dict.fromkeys(s.activation for s in found):
        deepest = max(s.depth for s in found if s.activation == name)
        mine = rows[(rows["activation"] == name) & (rows[DEPTH] == deepest)]
        losses = {
            kind: mine[mine["initializer"].isin([i for i, k in kinds if k == kind])]
            .groupby("seed")[LOSS].mean()
            for kind in ("gaussian", "orthogonal")
        }  # fmt: skip
        wide = DataFrame(losses).dropna()
        if not len(wide) or not np.isfinite(wide.to_numpy(np.float64)).any():
            continue
        gap = paired_difference(
            *(wide[kind].to_numpy(np.float64) for kind in ("gaussian", "orthogonal"))
        )
        parts.append(
            f"{text(name)} {gap} (to {mean_interval(wide['orthogonal'].to_numpy()).value:.3g})"
        )
    if not parts:
        return []
    sentence = (
        "Training loss that orthogonal weights save at the greatest depth, same seeds and steps: "
        f"{listed(parts)}."
    )
    return [Verdict(sentence, "measured")]


# -- table -----------------------------------------------------------------------------------------


def _table(found: Sequence[Spectrum]) -> Table:
    rows = []
    for s in found:
        spread, top = mean_interval(s.spread), mean_interval(s.largest)
        predicted = s.spread_predicted > NONE
        ratio = f"{spread.value / s.spread_predicted:.3g}" if predicted else "–"
        rows.append({
            "activation": text(s.activation), "weights": s.ensemble,
            "initializer": text(s.initializer), "depth": s.depth, "seeds": len(s.spread),
            "spread": spread.value if spread.value > NONE else 0.0, "95 %": bounds(spread),
            "predicted": "unknown" if s.q is None else f"{s.spread_predicted if predicted else 0:.4g}",
            "measured / predicted": ratio,
            "largest over mean": top.map(lambda v: 10.0**v).value,
        })  # fmt: skip
    caption = (
        "Spread: variance over squared mean of the squared singular values of da^[L-1]/da^[2] before "
        "training, mean over examples. Predicted: free probability at infinite width. Largest over "
        "mean: the largest singular value over their root mean square."
    )
    return Table("Singular values of the Jacobian", caption, DataFrame(rows))
