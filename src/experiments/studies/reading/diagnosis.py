r"""Symptoms of trouble in the networks of one configuration, with their evidence and what helps.

::

    symptom             a seed has it if
    diverged            its loss or weights are not finite
    vanishing gradient  ||delta|| of the first hidden layer < 10^-3 of the last one's, at the start
    exploding gradient  ... > 10^3 ...
    dead units          in some hidden layer more than half of the units have sigma' = 0 on every example
    saturated units     in some hidden layer more than half of all (example, unit) have a small sigma',
                        for a sigma that is flat at both ends
    steps too large     its median recorded step changes some layer's weights by half their norm
    steps too small     ... changes no layer's weights by a millionth of their norm
    nothing learnt      at the end its accuracy is no more than 0.05 above that of guessing
    little learnt       ... has come less than a fifth of the way from that of guessing to 1

A configuration has a symptom if more than half of its seeds have it, of those that can be judged; one
diverged seed is enough for a divergence. Dead and saturated units are searched in the first and the last
record. A symptom does not mean that training fails: Adam can train although the gradient vanishes.

References:
    Glorot & Bengio (2010) for the gradient's profile and saturation; Lu, Shin, Su & Karniadakis (2020)
    for dead units; Karpathy's lecture notes (CS231n) for the usual size of a step, 1e-3.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.errors import ConfigurationError
from experiments.reporting.intervals import mean_interval
from experiments.reporting.powers import power_interval
from experiments.reporting.profiles import at_step, layers_of
from experiments.studies.reading.family import chance_of
from experiments.studies.reading.rooms import activation_of

#: first hidden layer's gradient over the last one's, log10
FAR = 3.0
#: share of a layer's units that are dead, or of its (example, unit) that are saturated
MOST = 0.5
#: change of a layer's weights in one step over their norm
LARGE, SMALL = 0.5, 1e-6
#: accuracy above that of guessing; three standard deviations of guessing 270 times among ten classes
NEAR = 0.05
#: share of the way from the accuracy of guessing to 1
LITTLE = 0.2


@dataclass(frozen=True)
class Symptom:
    """One thing that is wrong.

    Args:
        name: such as "dead units".
        seeds: how many seeds have it.
        judged: how many seeds can be judged.
        evidence: what was measured, and where.
        remedies: what usually helps, as settings of scripts/train.py, the best first.
    """

    name: str
    seeds: int
    judged: int
    evidence: str
    remedies: tuple[str, ...]

    @property
    def remedy(self) -> str:
        """All remedies, in words."""
        return "; ".join(self.remedies)


def diagnose(rows: DataFrame, ledger: DataFrame) -> list[Symptom]:
    """All symptoms of one configuration.

    Args:
        rows: of the results; networks that differ only in seed.
        ledger: of these cells and any others. Without their rows only the results of training are judged.
    """
    mine = ledger[ledger["cell"].isin(rows["cell"])] if len(ledger) else ledger
    row = rows.iloc[0].to_dict()
    symptoms = [
        *_diverged(rows),
        *_gradient(mine),
        *_units(row, mine),
        *_steps(mine),
        *_learning(rows),
    ]
    in_force = {f"{key}={value}" for key, value in row.items()}
    return [
        replace(s, remedies=tuple(remedy for remedy in s.remedies if remedy not in in_force))
        for s in symptoms
    ]


def _diverged(rows: DataFrame) -> Iterator[Symptom]:
    lost = rows[rows["status"] == "diverged"]
    if len(lost):
        evidence = "the loss or the weights are not finite"
        steps = lost["diverged_at"].dropna() if "diverged_at" in lost else ()
        if len(steps):
            evidence += f", typically from step {np.median(steps):.0f} on"
        remedies = ("a smaller optimizer.lr", "a smaller scale of the initializer")
        yield Symptom("diverged", len(lost), len(rows), evidence, remedies)


def _gradient(ledger: DataFrame) -> Iterator[Symptom]:
    start = at_step(ledger, 0)
    _, values = layers_of(start, list(start["cell"].unique()))
    hidden = values[:, :-1]  # without the output layer, whose width and link differ
    if hidden.shape[1] < 2:
        return
    with np.errstate(invalid="ignore"):
        ratio = hidden[:, 0] - hidden[:, -1]
    ratio = ratio[~np.isnan(ratio)]
    evidence = (
        f"‖δ‖ of the first hidden layer is {power_interval(mean_interval(ratio))} times that of the last "
        "hidden layer, before training"
    )
    remedies = ("initializer=critical", "what scripts/advise.py says of this network")
    yield from _if_most("vanishing gradient", ratio < -FAR, evidence, remedies)
    yield from _if_most("exploding gradient", ratio > FAR, evidence, remedies)


def _units(row: Mapping[str, Any], ledger: DataFrame) -> Iterator[Symptom]:
    what = "of the units pass nothing on"
    remedies: tuple[str, ...] = ("initializer=he", "activation=leaky_relu", "a larger model.width")
    yield from _in_some_layer("dead units", ledger, "dead", what, remedies)
    if _flat_at_both_ends(row):
        what = "of the slopes are below a twentieth of the steepest"
        remedies = ("a smaller scale of the initializer", "standardised data")
        yield from _in_some_layer("saturated units", ledger, "saturated", what, remedies)


def _in_some_layer(
    name: str, ledger: DataFrame, column: str, what: str, remedies: tuple[str, ...]
) -> list[Symptom]:
    """A share of the worst hidden layer, in the first record or, if not there, in the last."""
    if column not in ledger:
        return []
    last = ledger[ledger["step"] == ledger.groupby("cell")["step"].transform("max")]
    moments = (
        ("before training", at_step(ledger, 0), remedies),
        ("at the end", last, ("a smaller optimizer.lr", *remedies)),
    )
    for moment, record, helps in moments:
        layers, values = layers_of(record, list(record["cell"].unique()), column)
        hidden = values[~np.isnan(values).any(1), :-1]
        if not hidden.size:
            continue
        worst, where = hidden.max(1), _most_often(layers[hidden.argmax(1)])
        evidence = (
            f"{moment}, {mean_interval(worst)} {what} in the worst layer, most often l = {where}"
        )
        if symptoms := _if_most(name, worst > MOST, evidence, helps):
            return symptoms
    return []


def _steps(ledger: DataFrame) -> Iterator[Symptom]:
    if "update_ratio" not in ledger:
        return
    known = ledger[np.isfinite(ledger["update_ratio"])]  # no step follows the last record
    if not len(known):
        return
    typical = known.groupby(["cell", "layer"])["update_ratio"].median().unstack()
    largest = typical.max(axis=1).to_numpy(np.float64)
    where = _most_often(typical.idxmax(axis=1).to_numpy(np.int64))
    which = "the first" if known["step"].max() == 0 else "a typical"
    evidence = (
        f"{which} step changes the weights of some layer, most often l = {where}, by "
        f"{mean_interval(largest)} of their norm; 0.001 is customary"
    )
    yield from _if_most("steps too large", largest > LARGE, evidence, ("a smaller optimizer.lr",))
    yield from _if_most("steps too small", largest < SMALL, evidence, ("a larger optimizer.lr",))


def _learning(rows: DataFrame) -> list[Symptom]:
    row = rows.iloc[0].to_dict()
    accuracy, chance = rows.get("val/accuracy"), chance_of(row) if "data" in row else np.nan
    if accuracy is None or np.isnan(chance) or not row.get("trainer.max_steps"):
        return []
    reached = accuracy[rows["status"] == "finished"].dropna().to_numpy(np.float64)
    evidence = f"validation accuracy {mean_interval(reached)}, of guessing {chance:.3g}"
    remedies = (
        "what the other symptoms ask for",
        "without any, a larger optimizer.lr or trainer.max_steps",
    )
    nothing, little = chance + NEAR, chance + LITTLE * (1 - chance)
    return _if_most("nothing learnt", reached <= nothing, evidence, remedies) or _if_most(
        "little learnt", reached <= little, evidence, remedies
    )


def _most_often(layers: Int64[ndarray, " seeds"]) -> int:
    return int(np.bincount(layers).argmax())


def _if_most(
    name: str, affected: Bool[ndarray, " seeds"], evidence: str, remedies: tuple[str, ...]
) -> list[Symptom]:
    """The symptom, if more than half of the seeds have it."""
    seeds = int(affected.sum())
    if 2 * seeds <= len(affected):
        return []
    return [Symptom(name, seeds, len(affected), evidence, remedies)]


def _flat_at_both_ends(row: Mapping[str, Any]) -> bool:
    """Whether a flat unit is saturated: the flat half of a rectifier is no fault."""
    facts = json.loads(row.get("facts") or "{}")  # of a watched network, whose settings are its own
    try:
        return len(activation_of({**facts, **row}).saturates) == 2
    except (ConfigurationError, KeyError):  # not an activation of this package
        return False
