"""One deep network and its variants: what was changed, how it trains, and how its gradient starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pandas import DataFrame

from experiments.core.interval import Interval
from experiments.reporting.configurations import configurations, text, varying_axes
from experiments.reporting.intervals import mean_interval, paired_difference, share_interval
from experiments.reporting.profiles import at_step, layers_of
from experiments.studies.reading.family import MARGIN, PAIR, chance_of
from experiments.studies.reading.tuning import LR, Tuned, tuned

SKIP, NORMALIZE = "model.skip", "model.normalize"
#: what can be changed, and how a change is called
FACTORS = (*PAIR, SKIP, NORMALIZE)
ACCURACY = "test/accuracy"


@dataclass(frozen=True)
class Variant:
    """Networks that differ in learning rate and seed alone.

    Args:
        setting: the factors' values.
        label: further axes, if any vary.
        runs: at every rate that was tried.
        profile: log10 (||delta^[l]|| / ||delta^[L]||) at initialisation, one row a seed.
        layers: the notes' l of its columns.
        chance: accuracy of guessing; NaN where unknown.
    """

    setting: Mapping[str, Any]
    label: str
    runs: Tuned
    profile: Float64[ndarray, "seeds layers"]
    layers: Float64[ndarray, " layers"]
    chance: float

    @property
    def name(self) -> str:
        """Activation, initializer, and what is added."""
        parts = [text(self.setting[key]) for key in PAIR]
        parts += [name for name in ("skip", "normalize") if self.setting[f"model.{name}"]]
        return " · ".join([*parts, self.label] if self.label else parts)

    @cached_property
    def accuracy(self) -> Float64[ndarray, " seeds"]:
        """Test accuracy at the best rate, by seed; chance where the run diverged."""
        values = self.runs.at_best(ACCURACY)
        finished = (self.runs.rows["status"] == "finished").to_numpy()
        return np.where(finished, values, self.chance)

    @property
    def diverged(self) -> bool:
        """Whether no seed comes to an end at any rate; the best rate would have lost fewer."""
        return bool((self.runs.rows["status"] != "finished").all())

    @cached_property
    def learnt(self) -> Interval:
        """Share of seeds clearly above chance."""
        known = self.accuracy[np.isfinite(self.accuracy)] if self.chance > 0 else np.empty(0)
        return share_interval(int((known > self.chance + MARGIN).sum()), len(known))

    @cached_property
    def gradient(self) -> Interval:
        """log10 of the first layer's gradient norm over the output's, at initialisation."""
        first = self.profile[:, 0] if self.profile.shape[1] else np.empty(0)
        return mean_interval(first)

    def changes(self, baseline: "Variant") -> list[str]:
        """Which factors differ, as one would say it."""
        said = []
        for key in FACTORS:
            if self.setting[key] != baseline.setting[key]:
                added = key in (SKIP, NORMALIZE)
                said.append(key.split(".")[-1] if added else f"{key}={self.setting[key]}")
        return said

    def gain(self, baseline: "Variant") -> Interval:
        """Test accuracy over the baseline's, paired by seed."""
        seeds = [part.runs.rows["seed"].to_numpy() for part in (self, baseline)]
        common = np.intersect1d(*seeds)
        mine, base = (
            part.accuracy[np.isin(s, common)]
            for part, s in zip((self, baseline), seeds, strict=True)
        )
        return paired_difference(mine, base)


def variants(results: DataFrame, ledger: DataFrame) -> list[Variant]:
    """One for every combination of the factors and further axes, from rows of cells that are over."""
    rows = results.assign(**{key: _flag(results, key) for key in (SKIP, NORMALIZE)})
    others = [key for key in varying_axes(rows) if key not in (*FACTORS, LR)]
    start = at_step(ledger, 0)
    found = []
    for group in configurations(rows, [*FACTORS, *others]):
        runs = tuned(group.rows)
        # Every rate begins at the same draw: of all rates together each seed would count several times.
        layers, values = layers_of(start, list(runs.rows["cell"]))
        label = " · ".join(group.label.split(" · ")[len(FACTORS) :]) if others else ""
        found.append(
            Variant(
                setting={key: group.values[k] for k, key in enumerate(FACTORS)},
                label=label,
                runs=runs,
                profile=values - values[:, -1:],
                layers=layers.astype(np.float64),
                chance=chance_of(group.rows.iloc[0].to_dict()),
            )
        )
    return found


def baseline_of(found: Sequence[Variant], wanted: Mapping[str, Any]) -> Variant | None:
    """The variant of these settings; without it, the plain one that does worst; None without any."""
    plain = [v for v in found if not (v.setting[SKIP] or v.setting[NORMALIZE])]
    for variant in plain:
        if all(variant.setting[key] == value for key, value in wanted.items()):
            return variant
    known = [v for v in plain if np.isfinite(v.accuracy).any()]
    if known:
        return min(known, key=lambda v: float(np.nanmean(v.accuracy)))
    return plain[0] if plain else None


def _flag(results: DataFrame, key: str) -> list[bool]:
    if key not in results:
        return [False] * len(results)
    return [value is True or value == 1 for value in results[key].tolist()]
